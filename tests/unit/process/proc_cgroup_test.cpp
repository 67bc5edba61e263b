// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/proc_cgroup.h"

#include <gtest/gtest.h>

#include <string>

namespace waggle {
namespace {

constexpr auto kText =
    "9:name=systemd:/user.slice\n"
    "4:memory:/docker/a:b\n"
    "2:cpu,cpuacct:/\n"
    "0::/app\n";

TEST(ParseProcessCgroups, reads_every_hierarchy) {
  const auto cgroups = parse_process_cgroups(kText);
  ASSERT_EQ(cgroups.size(), 4U);
  EXPECT_EQ(cgroups[1].controllers, "memory");
  EXPECT_EQ(cgroups[1].path, "/docker/a:b");
  EXPECT_EQ(cgroups[2].controllers, "cpu,cpuacct");
  EXPECT_EQ(cgroups[3].controllers, "");
  EXPECT_EQ(cgroups[3].path, "/app");
}

TEST(ParseProcessCgroups, passes_over_lines_of_another_form) {
  for (const auto* const text : {"", "\n", "x", "1:cpu", "1:cpu:web", ":cpu:/", "a:cpu:/",
                                 "-1:cpu:/", "99999999999:cpu:/"}) {
    EXPECT_TRUE(parse_process_cgroups(text).empty()) << text;
  }
}

TEST(ParseProcessCgroups, stops_at_its_limit) {
  std::string text;
  for (std::size_t i = 0; i < 2 * kMaxProcessCgroups; ++i) {
    text += "1:cpu:/\n";
  }
  EXPECT_EQ(parse_process_cgroups(text).size(), kMaxProcessCgroups);
}

}  // namespace
}  // namespace waggle
