// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/features.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "userspace/attach/cgroup_mounts.h"
#include "userspace/attach/privileges.h"

namespace waggle {
namespace {

TEST(ParseLockdown, takes_the_word_in_brackets) {
  EXPECT_EQ(parse_lockdown("[none] integrity confidentiality"), Lockdown::none);
  EXPECT_EQ(parse_lockdown("none [integrity] confidentiality\n"), Lockdown::integrity);
  EXPECT_EQ(parse_lockdown("none integrity [confidentiality]"), Lockdown::confidentiality);
  for (const auto* text : {"", "none", "[", "]", "][", "[other]", "[]"}) {
    EXPECT_EQ(parse_lockdown(text), std::nullopt) << text;
  }
}

TEST(ParseCgroupMounts, reads_v1_v2_and_hybrid_hosts) {
  const std::string mountinfo =
      "23 1 0:22 / /sys rw - sysfs sysfs rw\n"
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
      "33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup "
      "rw,xattr,release_agent=/lib/agent,name=systemd\n"
      "34 31 0:31 /docker/x /srv/a\\040b rw shared:1 master:2 - cgroup2 cgroup2 rw,nsdelegate\n";
  const std::vector<CgroupMount> expected = {
      {false, "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct"},
      {false, "name=systemd", "/sys/fs/cgroup/systemd"},
      {true, "", "/srv/a b", "/docker/x"},
  };
  EXPECT_EQ(parse_cgroup_mounts(mountinfo), expected);
}

TEST(ParseCgroupMounts, passes_over_lines_of_another_form) {
  for (const auto* text :
       {"", "\n\n", "- cgroup2 a rw", "1 2 3 4 - cgroup2 none rw", "1 2 3 / /x rw - cgroup2 none",
        "1 2 3 / /x rw cgroup2 none rw", "1 2 3 / /x rw -"}) {
    EXPECT_TRUE(parse_cgroup_mounts(text).empty()) << text;
  }
  const auto odd = parse_cgroup_mounts("1 2 3 / /x\\9\\777\\ rw - cgroup2 none rw");
  ASSERT_EQ(odd.size(), 1U);
  EXPECT_EQ(odd[0].path, "/x\\9\\777\\");
}

TEST(ParseCapabilities, reads_the_effective_set) {
  const auto capabilities =
      parse_capabilities("Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t0000008000000000\n");
  ASSERT_TRUE(capabilities) << capabilities.error().what;
  EXPECT_TRUE(capabilities->has(CAP_BPF));
  EXPECT_FALSE(capabilities->has(CAP_PERFMON));
  EXPECT_TRUE(capabilities->can_load_bpf());
  EXPECT_FALSE(capabilities->can_trace());
  EXPECT_FALSE(parse_capabilities("Name:\tx\n"));
  EXPECT_FALSE(parse_capabilities("CapEff:\tgarbage\n"));
}

TEST(FindSysctl, reads_numbers_only) {
  EXPECT_GT(find_sysctl("kernel/pid_max").value_or(0), 100);
  EXPECT_EQ(find_sysctl("kernel/ostype"), std::nullopt);
  EXPECT_EQ(find_sysctl("kernel/no_such_thing"), std::nullopt);
}

TEST(ReadMemlockLimit, puts_the_limit_back) {
  rlimit before{};
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &before), 0);
  const auto limit = read_memlock_limit();
  ASSERT_TRUE(limit) << limit.error().what;
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &after), 0);
  EXPECT_EQ(limit->soft_bytes, before.rlim_cur);
  EXPECT_EQ(after.rlim_cur, before.rlim_cur);
  EXPECT_EQ(after.rlim_max, before.rlim_max);
}

TEST(Features, tell_what_this_kernel_is) {
  EXPECT_FALSE(kernel_release().empty());
  EXPECT_NE(libbpf_version().find('.'), std::string::npos);
}

}  // namespace
}  // namespace waggle
