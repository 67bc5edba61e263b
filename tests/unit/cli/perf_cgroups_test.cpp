// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/perf_cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const CgroupHierarchy kV2 = {.number = SEL_V2, .name = "v2", .directory = "/cg/unified"};
const CgroupHierarchy kMemory = {
    .number = SEL_V1_memory, .name = "memory", .directory = "/cg/memory"};
const CgroupHierarchy kPerfEvent = {
    .number = SEL_V1_perf_event, .name = "perf_event", .directory = "/cg/perf_event"};

Cgroup in(const CgroupHierarchy& hierarchy, const std::string& name) {
  return {.hierarchy = *hierarchy.number,
          .id = 1,
          .path = hierarchy.directory + (name.empty() ? "" : "/" + name)};
}

Selection selection_of(std::vector<Cgroup> included,
                       std::vector<CgroupHierarchy> hierarchies = {kV2, kMemory}) {
  return {.included = std::move(included),
          .excluded = {},
          .comms = {},
          .hierarchies = std::move(hierarchies)};
}

std::string refusal_of(const Selection& selection) {
  const auto names = perf_cgroups_of(selection);
  return names ? "" : names.error().what;
}

TEST(PerfCgroups, are_paths_from_the_mount_on) {
  EXPECT_THAT(perf_cgroups_of(selection_of({in(kV2, "web"), in(kV2, "db/one")})).value(),
              ElementsAre("web", "db/one"));
  EXPECT_THAT(perf_cgroups_of(selection_of({in(kV2, "")})).value(), ElementsAre("/"));
}

TEST(PerfCgroups, name_nothing_that_lies_below_another) {
  EXPECT_THAT(perf_cgroups_of(selection_of({in(kV2, "web"), in(kV2, "web/one"), in(kV2, "web2"),
                                            in(kV2, "web")}))
                  .value(),
              ElementsAre("web", "web2"));
}

TEST(PerfCgroups, are_those_of_the_hierarchy_that_perf_counts_by) {
  EXPECT_THAT(refusal_of(selection_of({in(kMemory, "web")})),
              HasSubstr("/cg/memory/web: perf counts by the cgroups of v2 alone: give a path below "
                        "/cg/unified"));
  const std::vector<CgroupHierarchy> with_v1 = {kV2, kMemory, kPerfEvent};
  EXPECT_THAT(perf_cgroups_of(selection_of({in(kPerfEvent, "web")}, with_v1)).value(),
              ElementsAre("web"));
  EXPECT_THAT(refusal_of(selection_of({in(kV2, "web")}, with_v1)),
              HasSubstr("by the cgroups of perf_event alone"));
  EXPECT_THAT(refusal_of(selection_of({in(kMemory, "web")}, {kMemory})),
              HasSubstr("neither is mounted"));
}

TEST(PerfCgroups, say_what_perf_cannot_tell) {
  Selection excluding = selection_of({in(kV2, "web")});
  excluding.excluded = {in(kV2, "web/one")};
  EXPECT_THAT(refusal_of(excluding), HasSubstr("--cgroup-exclude"));
  Selection named = selection_of({});
  named.comms = {"nginx"};
  EXPECT_THAT(refusal_of(named), HasSubstr("--comm"));
  EXPECT_THAT(refusal_of(selection_of({in(kV2, "a,b")})), HasSubstr("comma"));
  std::vector<Cgroup> many;
  for (std::size_t i = 0; i <= kMaxPerfCgroups; ++i) {
    many.push_back(in(kV2, "c" + std::to_string(i)));
  }
  EXPECT_THAT(refusal_of(selection_of(many)), HasSubstr("51 cgroups: perf is told of 50 at most"));
}

}  // namespace
}  // namespace waggle
