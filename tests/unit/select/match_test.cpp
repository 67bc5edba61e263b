// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::Optional;

const std::vector<CgroupHierarchy> kHierarchies = {
    {.number = SEL_V2, .name = "v2", .directory = "/c/unified"},
    {.number = SEL_V1_cpu, .name = "cpu", .directory = "/c/cpu"},
    {.number = std::nullopt, .name = "name=systemd", .directory = "/c/systemd"}};

Cgroup v2(const std::string& path) {
  return {.hierarchy = SEL_V2, .id = 1, .path = "/c/unified" + path};
}
Cgroup cpu(const std::string& path) {
  return {.hierarchy = SEL_V1_cpu, .id = 1, .path = "/c/cpu" + path};
}

std::optional<std::vector<std::string>> match_in(std::string_view cgroups, Selection selection) {
  selection.hierarchies = kHierarchies;
  return match("nginx", parse_process_cgroups(cgroups), selection);
}

TEST(Match, tells_the_cgroup_that_holds_the_process) {
  const Selection selection{
      .included = {v2("/web"), cpu("/db")}, .excluded = {}, .comms = {}, .hierarchies = {}};
  EXPECT_THAT(match_in("0::/web\n1:cpu:/\n", selection),
              Optional(ElementsAre("cgroup /c/unified/web")));
  EXPECT_THAT(match_in("0::/web/a/b\n", selection), Optional(ElementsAre("cgroup /c/unified/web")));
  EXPECT_THAT(match_in("0::/\n1:cpu:/db\n", selection), Optional(ElementsAre("cgroup /c/cpu/db")));
  EXPECT_EQ(match_in("0::/website\n1:cpu:/web\n", selection), std::nullopt);
  EXPECT_EQ(match_in("0::/db\n", selection), std::nullopt);
}

TEST(Match, passes_over_what_is_below_one_that_is_meant_alone) {
  Cgroup alone = v2("/web");
  alone.is_alone = true;
  const Selection selection{.included = {alone}, .excluded = {}, .comms = {}, .hierarchies = {}};
  EXPECT_TRUE(match_in("0::/web\n", selection));
  EXPECT_FALSE(match_in("0::/web/a\n", selection));
}

TEST(Match, gives_exclusions_the_last_word) {
  const Selection selection{.included = {v2("/web"), v2("/web/a/b")},
                            .excluded = {v2("/web/a"), cpu("/x")},
                            .comms = {},
                            .hierarchies = {}};
  EXPECT_TRUE(match_in("0::/web/b\n", selection));
  EXPECT_FALSE(match_in("0::/web/a/b\n", selection));
  EXPECT_FALSE(match_in("0::/web\n1:cpu:/x\n", selection));
}

TEST(Match, takes_all_but_the_excluded_when_nothing_is_included) {
  const Selection selection{
      .included = {}, .excluded = {v2("/web")}, .comms = {}, .hierarchies = {}};
  EXPECT_TRUE(match_in("0::/db\n", selection));
  EXPECT_FALSE(match_in("0::/web\n", selection));
}

TEST(Match, asks_for_name_and_cgroup_where_both_are_given) {
  Selection selection{
      .included = {v2("/web")}, .excluded = {}, .comms = {"sh", "nginx"}, .hierarchies = {}};
  EXPECT_THAT(match_in("0::/web\n", selection),
              Optional(ElementsAre("its name", "cgroup /c/unified/web")));
  EXPECT_FALSE(match_in("0::/db\n", selection));
  selection.comms = {"sh"};
  EXPECT_FALSE(match_in("0::/web\n", selection));
}

TEST(Match, compares_names_as_the_kernel_cuts_them) {
  const Selection selection{
      .included = {}, .excluded = {}, .comms = {"a-name-longer-than-fifteen"}, .hierarchies = {}};
  EXPECT_TRUE(match("a-name-longer-t", {}, selection));
  EXPECT_FALSE(match("a-name-longer", {}, selection));
}

TEST(Match, takes_every_process_when_nothing_is_selected) {
  EXPECT_THAT(match_in("0::/\n", {}), Optional(ElementsAre()));
}

}  // namespace
}  // namespace waggle
