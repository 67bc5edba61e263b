// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/perf_cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/select/fake_cgroups.h"

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

Cgroup at(const FakeCgroups& host, sel_hierarchy hierarchy, const std::string& path) {
  return {.hierarchy = hierarchy, .id = 1, .path = host.at("") + path};
}

// The busiest are found by v1's CPU time, and perf counts by v2.
TEST(PerfCgroups, of_a_ranking_are_those_of_the_same_path) {
  const FakeCgroups host;
  for (const char* path :
       {"cpu/web", "unified/web", "cpu/gone", "unified/db/one", "cpu/a,b", "unified/a,b"}) {
    host.make(path);
  }
  const Selection ranking =
      selection_of({at(host, SEL_V1_cpu, "cpu/web"), at(host, SEL_V1_cpu, "cpu/gone"),
                    at(host, SEL_V2, "unified/db/one"), at(host, SEL_V2, "unified/db"),
                    at(host, SEL_V1_cpu, "cpu/a,b"), at(host, SEL_V2, "none")},
                   host.hierarchies());
  const auto ranked = ranked_perf_cgroups_of(ranking);
  ASSERT_TRUE(ranked) << ranked.error().what;
  EXPECT_THAT(ranked->names, ElementsAre("web", "db/one"));
  EXPECT_THAT(ranked->left_out,
              ElementsAre("--perf-use-cgroups: 3 cgroups that perf cannot be told "
                          "of, as it counts by v2 alone"));
}

TEST(PerfCgroups, of_a_ranking_are_the_busiest_where_they_are_too_many) {
  const FakeCgroups host;
  std::vector<Cgroup> many;
  for (std::size_t i = 0; i < kMaxPerfCgroups + 2; ++i) {
    const std::string path = "unified/c" + std::to_string(i);
    host.make(path);
    many.push_back(at(host, SEL_V2, path));
  }
  const auto ranked = ranked_perf_cgroups_of(selection_of(many, host.hierarchies()));
  ASSERT_TRUE(ranked) << ranked.error().what;
  ASSERT_EQ(ranked->names.size(), kMaxPerfCgroups);
  EXPECT_EQ(ranked->names.front(), "c0");
  EXPECT_THAT(ranked->left_out,
              ElementsAre(HasSubstr("2 cgroups beyond the 50 that perf is told")));
}

}  // namespace
}  // namespace waggle
