// SPDX-License-Identifier: Apache-2.0
// `waggle record --cgroup` where perf takes the samples.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Words = std::vector<std::string>;

// Where perf counts by v2: no v1 controller perf_event is mounted.
class FallbackCgroup : public testing::Test {
 protected:
  void SetUp() override {
    hierarchy_ = TestCgroup::hierarchy(true);
    const auto hierarchies = find_cgroup_hierarchies().value_or(std::vector<CgroupHierarchy>());
    const bool has_v1 = std::ranges::any_of(hierarchies, [](const CgroupHierarchy& hierarchy) {
      return hierarchy.name.find("perf_event") != std::string::npos;
    });
    if (!hierarchy_ || has_v1) {
      GTEST_SKIP() << "no cgroup of v2 by which perf counts can be made";
    }
  }

  [[nodiscard]] std::unique_ptr<TestCgroup> make(const std::string& path) const {
    return std::make_unique<TestCgroup>(*hierarchy_, path);
  }

  std::optional<CgroupHierarchy> hierarchy_;
};

WaggleResult record(Words arguments) {
  arguments.insert(arguments.begin(),
                   {"record", "--engine", "fallback", "-d", "3", "-F", "199", "-o", "-"});
  return run_waggle(arguments);
}

CollapsedFile profile_of(const WaggleResult& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  return result.status == 0 ? CollapsedFile::parse(result.out) : CollapsedFile();
}

TEST_F(FallbackCgroup, samples_the_chosen_ones_and_what_lies_below_once) {
  const auto outer = make("waggle_perf_outer");
  const auto below = make("waggle_perf_outer/below");
  const auto second = make("waggle_perf_second");
  const auto other = make("waggle_perf_other");
  const TestProgram in_below({SHARES});
  const TestProgram in_second({THREADS});
  const TestProgram in_other({RECURSION, "10"});
  below->take(in_below.pid());
  second->take(in_second.pid());
  other->take(in_other.pid());
  const CollapsedFile file =
      profile_of(record({"--cgroup", "waggle_perf_outer", "--cgroup", "waggle_perf_outer/below",
                         "--cgroup", second->path()}));
  EXPECT_GT(file.count_of("shares", ";main;"), 0U);
  EXPECT_GT(file.count_of("threads"), 0U);
  EXPECT_EQ(file.count_of("shares") + file.count_of("threads"), file.total());
  EXPECT_TRUE(file.adds_up());
  const auto& header = file.header["waggle"];
  EXPECT_EQ(header["tools"]["perf"], "ok");
  const double most = 1.05 * header["duration_s"].get<double>();
  EXPECT_LT(static_cast<double>(file.count_of("shares")) / 199, most) << "counted twice";
}

TEST_F(FallbackCgroup, takes_a_container_and_with_a_process_both_must_fit) {
  const auto container = make("docker-" + std::string(64, 'c') + ".scope");
  const TestProgram inside({SHARES});
  const TestProgram beside({SHARES});
  const TestProgram outside({RECURSION, "10"});
  container->take(inside.pid());
  container->take(beside.pid());
  const CollapsedFile all = profile_of(record({"--container", "cccc"}));
  EXPECT_GT(all.total(), 0U);
  EXPECT_EQ(all.count_of("shares"), all.total());
  const WaggleResult both =
      record({"--container", "cccc", "-p",
              std::to_string(inside.pid()) + "," + std::to_string(outside.pid())});
  const CollapsedFile one = profile_of(both);
  EXPECT_GT(one.total(), 0U);
  EXPECT_EQ(one.count_of("shares"), one.total());
}

TEST_F(FallbackCgroup, walks_by_both_ways_in_smart_mode) {
  const auto chosen = make("waggle_perf_smart");
  const TestProgram inside({RECURSION_NO_FP, "10"});
  const TestProgram outside({SHARES});
  chosen->take(inside.pid());
  WaggleRun run({"record", "--engine", "fallback", "-d", "2", "-F", "99", "-o", "-", "--perf-mode",
                 "smart", "--cgroup", "waggle_perf_smart"});
  const CollapsedFile file = profile_of(run.wait());
  EXPECT_GT(file.total(), 0U);
  EXPECT_EQ(file.count_of("recursion_no_fp"), file.total());
  EXPECT_GE(file.share_of("recursion_no_fp", ";main;recurse;"), 0.9);
}

// A host's own cgroups are busy or not: of containers alone.
TEST_F(FallbackCgroup, takes_the_busiest_of_a_ranking) {
  const std::string busy_id = "e2e7" + std::string(60, 'a');
  const auto busy = make("docker-" + busy_id + ".scope");
  const auto idle = make("docker-e2e7" + std::string(60, 'b') + ".scope");
  const auto other = make("waggle_perf_no_container");
  const TestProgram first({SHARES});
  const TestProgram second({"sh", "-c", "echo ready; while :; do sleep 0.02; done"});
  const TestProgram outside({RECURSION, "10"});
  busy->take(first.pid());
  idle->take(second.pid());
  other->take(outside.pid());
  const WaggleResult result = record(
      {"--perf-use-cgroups", "--perf-max-cgroups", "0", "--perf-max-docker-containers", "1"});
  const CollapsedFile file = profile_of(result);
  EXPECT_GT(file.total(), 0U);
  EXPECT_EQ(file.count_of("shares"), file.total());
  EXPECT_TRUE(file.adds_up());
  ASSERT_FALSE(file.lines.empty());
  EXPECT_EQ(file.lines.front().container, busy_id);
  EXPECT_THAT(file.header["waggle"]["excluded"].dump(), HasSubstr("--perf-max-cgroups 0"));
}

TEST_F(FallbackCgroup, samples_nothing_where_a_ranking_chose_none) {
  const WaggleResult result = record(
      {"--perf-use-cgroups", "--perf-max-cgroups", "0", "--perf-max-docker-containers", "1"});
  EXPECT_EQ(result.status, 4) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("no cgroup was found in "),
                                HasSubstr("chose no cgroup that perf can be told of")));
}

TEST_F(FallbackCgroup, says_why_perf_cannot_tell) {
  const auto v1 = TestCgroup::hierarchy(false);
  if (v1) {
    const TestCgroup chosen(*v1, "waggle_perf_v1");
    const WaggleResult result = record({"--cgroup", chosen.path()});
    EXPECT_EQ(result.status, 3);
    EXPECT_THAT(result.err,
                AllOf(HasSubstr(chosen.path()),
                      HasSubstr("perf counts by the cgroups of v2 alone: give a path below")));
  }
  const auto chosen = make("waggle_perf_chosen");
  const WaggleResult children = record({"--cgroup", "waggle_perf_chosen", "-p", "1", "--children"});
  EXPECT_EQ(children.status, 3);
  EXPECT_THAT(children.err, HasSubstr("--cgroup with --children needs the ebpf engine"));
}

}  // namespace
}  // namespace waggle
