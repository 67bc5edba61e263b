// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/cgroup_hierarchies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace waggle {
namespace {

using testing::ElementsAre;

CgroupMount v1(std::string controllers, std::string path, std::string root = "/") {
  return {.is_v2 = false,
          .controllers = std::move(controllers),
          .path = std::move(path),
          .root = std::move(root)};
}

std::vector<std::string> names_of(const std::vector<CgroupHierarchy>& hierarchies) {
  std::vector<std::string> names;
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    names.push_back(hierarchy.name);
  }
  return names;
}

TEST(OrderHierarchies, puts_v2_first_then_the_controllers_as_they_are_searched) {
  const auto hierarchies = order_hierarchies(
      std::vector<CgroupMount>{v1("blkio", "/c/blkio"),
                               v1("name=systemd", "/c/systemd"),
                               v1("pids", "/c/pids"),
                               v1("memory", "/c/memory"),
                               v1("cpuacct,cpu", "/c/cpu"),
                               {.is_v2 = true, .controllers = "", .path = "/c/unified"}});
  EXPECT_THAT(names_of(hierarchies),
              ElementsAre("v2", "cpuacct,cpu", "memory", "pids", "blkio", "name=systemd"));
  EXPECT_EQ(hierarchies[0].number, SEL_V2);
  EXPECT_EQ(hierarchies[1].number, SEL_V1_cpu);
  EXPECT_EQ(hierarchies[4].number, SEL_V1_io);
  EXPECT_EQ(hierarchies[5].number, std::nullopt);
}

TEST(OrderHierarchies, takes_of_two_mounts_the_one_that_shows_more) {
  const auto hierarchies = order_hierarchies(std::vector<CgroupMount>{
      v1("memory", "/inside", "/docker/x"), v1("memory", "/c/memory"), v1("cpu", "/c/cpu")});
  ASSERT_THAT(names_of(hierarchies), ElementsAre("cpu", "memory"));
  EXPECT_EQ(hierarchies[1].directory, "/c/memory");
}

TEST(HierarchyOf, is_the_mount_that_holds_the_path) {
  const auto hierarchies = order_hierarchies(
      std::vector<CgroupMount>{v1("cpu", "/c/cpu"), v1("cpuset", "/c/cpuset"), v1("pids", "/c")});
  const auto name_at = [&](std::string_view path) {
    const CgroupHierarchy* hierarchy = hierarchy_of(path, hierarchies);
    return hierarchy == nullptr ? "" : hierarchy->name;
  };
  EXPECT_EQ(name_at("/c/cpu"), "cpu");
  EXPECT_EQ(name_at("/c/cpu/web"), "cpu");
  EXPECT_EQ(name_at("/c/cpuset/web"), "cpuset");
  EXPECT_EQ(name_at("/c/web"), "pids");
  EXPECT_EQ(name_at("/etc"), "");
}

}  // namespace
}  // namespace waggle
