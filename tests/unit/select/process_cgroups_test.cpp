// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/process_cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace waggle {
namespace {

constexpr auto kText =
    "9:name=systemd:/user.slice\n"
    "4:memory:/docker/a:b\n"
    "2:cpu,cpuacct:/\n"
    "0::/app\n";

CgroupHierarchy hierarchy(sel_hierarchy number, std::string name, std::string root = "/") {
  return {.number = number, .name = std::move(name), .directory = "/c", .root = std::move(root)};
}

TEST(DirectoryOf, is_below_the_mount) {
  const auto cgroups = parse_process_cgroups(kText);
  EXPECT_EQ(directory_of(cgroups, hierarchy(SEL_V2, "v2")), "/c/app");
  EXPECT_EQ(directory_of(cgroups, hierarchy(SEL_V1_cpu, "cpu,cpuacct")), "/c");
  EXPECT_EQ(directory_of(cgroups, hierarchy(SEL_V1_pids, "pids")), std::nullopt);
}

TEST(DirectoryOf, counts_from_the_cgroup_that_is_mounted) {
  const auto cgroups = parse_process_cgroups(kText);
  EXPECT_EQ(directory_of(cgroups, hierarchy(SEL_V1_memory, "memory", "/docker")), "/c/a:b");
  EXPECT_EQ(directory_of(cgroups, hierarchy(SEL_V1_memory, "memory", "/docker/a:b")), "/c");
  EXPECT_EQ(directory_of(cgroups, hierarchy(SEL_V1_memory, "memory", "/dock")), std::nullopt);
}

TEST(DirectoryOf, is_nothing_outside_of_our_cgroup_namespace) {
  EXPECT_EQ(directory_of(parse_process_cgroups("0::/../other\n"), hierarchy(SEL_V2, "v2")),
            std::nullopt);
}

}  // namespace
}  // namespace waggle
