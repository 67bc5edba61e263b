// SPDX-License-Identifier: Apache-2.0
// What the kernel side samples when cgroups are selected: real cgroups, busy processes in them.
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "userspace/samplers/cpu_sampler.h"
#include "userspace/select/selection.h"
#include "userspace/select/selection_maps.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBusy(100);  // of CPU time, a hundred samples
constexpr std::chrono::seconds kPatience(30);

using Programs = std::vector<const TestProgram*>;
using Counts = std::map<pid_t, std::uint64_t>;

std::uint64_t count_of(const Counts& counts, const TestProgram& program) {
  const auto found = counts.find(program.pid());
  return found == counts.end() ? 0 : found->second;
}

// Until each has used its CPU time: on a busy machine that takes a while.
void let_run(const Programs& programs) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (const TestProgram* program : programs) {
    const CpuTime until = cpu_time_of(program->pid()) + kBusy;
    while (cpu_time_of(program->pid()) < until) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "process " << program->pid();
      std::this_thread::sleep_for(milliseconds(10));
    }
  }
}

// Samples from construction on.
class Sampling {
 public:
  explicit Sampling(const Selection& selection)
      : sampler_(CpuSampler::load({.frequency = 999,
                                   .is_cgroup_filtered = selection.has_cgroups(),
                                   .is_comm_filtered = !selection.comms.empty()})) {
    EXPECT_TRUE(sampler_) << sampler_.error().what;
    select(selection);
    const Result<> started = sampler_->start(choose_sampling_event().value());
    EXPECT_TRUE(started) << started.error().what;
  }

  void select(const Selection& selection) {
    SelectionMaps maps(sampler_->cgroups_fd(), sampler_->comms_fd(), sampler_->cgroup_state());
    const Result<> set = maps.set(selection);
    EXPECT_TRUE(set) << set.error().what;
  }

  // By process, of a while that begins now, and in which all these run.
  Counts count(const Programs& programs) {
    (void)drain();
    let_run(programs);
    return drain();
  }

  // Since the last time.
  Counts drain() {
    Counts counts;
    const Result<> drained = sampler_->drain([&](const CountedStack& stack) {
      counts[static_cast<pid_t>(stack.key.process.tgid)] += stack.count;
    });
    EXPECT_TRUE(drained) << drained.error().what;
    return counts;
  }

  CpuSampler& sampler() { return *sampler_; }

 private:
  Result<CpuSampler> sampler_;
};

Selection only(std::vector<Cgroup> included, std::vector<Cgroup> excluded = {}) {
  return {.included = std::move(included),
          .excluded = std::move(excluded),
          .comms = {},
          .hierarchies = {}};
}

class CgroupSelection : public CgroupTest {};

TEST_P(CgroupSelection, takes_no_sample_of_the_cgroup_beside) {
  const auto chosen = make("waggle_chosen");
  const auto other = make("waggle_other");
  const TestProgram in_chosen({RECURSION, "10"});
  const TestProgram in_other({RECURSION, "10"});
  const TestProgram in_none({RECURSION, "10"});
  chosen->take(in_chosen.pid());
  other->take(in_other.pid());
  Sampling sampling(only({chosen->cgroup()}));
  const Counts counts = sampling.count({&in_chosen, &in_other, &in_none});
  EXPECT_GT(count_of(counts, in_chosen), 0U);
  EXPECT_EQ(counts.size(), 1U);
  EXPECT_GT(sampling.sampler().stats()->skipped_not_selected, 0U);
}

TEST_P(CgroupSelection, counts_nested_children) {
  const auto chosen = make("waggle_chosen");
  const auto child = make("waggle_chosen/child");
  const auto grandchild = make("waggle_chosen/child/waggle_chosen");
  const TestProgram in_grandchild({RECURSION, "10"});
  const TestProgram in_none({RECURSION, "10"});
  grandchild->take(in_grandchild.pid());
  const Counts counts = Sampling(only({chosen->cgroup()})).count({&in_grandchild, &in_none});
  EXPECT_GT(count_of(counts, in_grandchild), 0U);
  EXPECT_EQ(counts.size(), 1U);
}

TEST_P(CgroupSelection, does_not_count_the_parent_of_what_is_selected) {
  const auto parent = make("waggle_parent");
  const auto child = make("waggle_parent/child");
  const TestProgram in_parent({RECURSION, "10"});
  const TestProgram in_child({RECURSION, "10"});
  child->take(in_child.pid());
  parent->take(in_parent.pid());
  const Counts counts = Sampling(only({child->cgroup()})).count({&in_parent, &in_child});
  EXPECT_GT(count_of(counts, in_child), 0U);
  EXPECT_EQ(count_of(counts, in_parent), 0U);
}

TEST_P(CgroupSelection, counts_one_alone_where_that_is_said) {
  const auto parent = make("waggle_parent");
  const auto child = make("waggle_parent/child");
  const auto other_child = make("waggle_parent/other");
  const TestProgram in_parent({RECURSION, "10"});
  const TestProgram in_child({RECURSION, "10"});
  const TestProgram in_other({RECURSION, "10"});
  child->take(in_child.pid());
  other_child->take(in_other.pid());
  parent->take(in_parent.pid());
  Cgroup alone = parent->cgroup();
  alone.is_alone = true;
  Sampling sampling(only({alone}));
  const Counts counts = sampling.count({&in_parent, &in_child, &in_other});
  EXPECT_GT(count_of(counts, in_parent), 0U);
  EXPECT_EQ(counts.size(), 1U);
  sampling.select(only({alone, child->cgroup()}));
  const Counts both = sampling.count({&in_parent, &in_child, &in_other});
  EXPECT_GT(count_of(both, in_parent), 0U);
  EXPECT_GT(count_of(both, in_child), 0U);
  EXPECT_EQ(both.size(), 2U);
}

// One sampler takes what is in the cgroup, the other all else: each sample is on one side or the
// other, and from the moment on that the move is done on the new one.
TEST_P(CgroupSelection, follows_a_process_that_is_moved) {
  const auto chosen = make("waggle_chosen");
  const auto other = make("waggle_other");
  const TestProgram program({RECURSION, "10"});
  other->take(program.pid());
  Sampling inside(only({chosen->cgroup()}));
  Sampling outside(only({}, {chosen->cgroup()}));
  for (const bool is_inside : {false, true, false}) {
    SCOPED_TRACE(is_inside);
    (is_inside ? chosen : other)->take(program.pid());
    (void)inside.drain();
    (void)outside.drain();
    let_run({&program});
    const std::uint64_t counted_inside = count_of(inside.drain(), program);
    const std::uint64_t counted_outside = count_of(outside.drain(), program);
    EXPECT_GT(is_inside ? counted_inside : counted_outside, 0U);
    EXPECT_EQ(is_inside ? counted_outside : counted_inside, 0U);
  }
}

TEST_P(CgroupSelection, gives_exclusions_the_last_word) {
  const auto outer = make("waggle_outer");
  const auto inner = make("waggle_outer/inner");
  const auto innermost = make("waggle_outer/inner/innermost");
  const TestProgram in_outer({RECURSION, "10"});
  const TestProgram in_innermost({RECURSION, "10"});
  innermost->take(in_innermost.pid());
  outer->take(in_outer.pid());
  Sampling sampling(only({outer->cgroup(), innermost->cgroup()}, {inner->cgroup()}));
  const Counts counts = sampling.count({&in_outer, &in_innermost});
  EXPECT_GT(count_of(counts, in_outer), 0U);
  EXPECT_EQ(count_of(counts, in_innermost), 0U);
}

TEST_P(CgroupSelection, samples_all_but_what_is_excluded_when_nothing_is_included) {
  const auto excluded = make("waggle_excluded");
  const TestProgram in_excluded({RECURSION, "10"});
  const TestProgram in_none({RECURSION, "10"});
  excluded->take(in_excluded.pid());
  const Counts counts = Sampling(only({}, {excluded->cgroup()})).count({&in_excluded, &in_none});
  EXPECT_GT(count_of(counts, in_none), 0U);
  EXPECT_EQ(count_of(counts, in_excluded), 0U);
}

TEST_P(CgroupSelection, is_changed_by_another_program_while_it_runs) {
  const auto first = make("waggle_first");
  const auto second = make("waggle_second");
  const TestProgram in_first({RECURSION, "10"});
  const TestProgram in_second({RECURSION, "10"});
  first->take(in_first.pid());
  second->take(in_second.pid());
  Sampling sampling(only({first->cgroup()}));
  const auto key_of = [](const Cgroup& cgroup) {
    return sel_cgroup{.id = cgroup.id, .hierarchy = cgroup.hierarchy, .pad_ = 0};
  };
  const sel_cgroup added = key_of(second->cgroup());
  const sel_cgroup removed = key_of(first->cgroup());
  const std::uint32_t flags = SEL_CGROUP_INCLUDED;
  ASSERT_EQ(bpf_map_update_elem(sampling.sampler().cgroups_fd(), &added, &flags, BPF_ANY), 0);
  ASSERT_EQ(bpf_map_delete_elem(sampling.sampler().cgroups_fd(), &removed), 0);
  const Counts counts = sampling.count({&in_first, &in_second});
  EXPECT_EQ(count_of(counts, in_first), 0U);
  EXPECT_GT(count_of(counts, in_second), 0U);
}

TEST_P(CgroupSelection, counts_a_cgroup_with_more_ancestors_than_are_compared) {
  std::vector<std::unique_ptr<TestCgroup>> cgroups;
  std::string path = "waggle_deep";
  for (int level = 0; level < SEL_MAX_CGROUP_LEVELS + 1; ++level) {
    cgroups.push_back(make(path));
    path += "/d";
  }
  const TestProgram program({RECURSION, "10"});
  cgroups.back()->take(program.pid());
  Sampling sampling(only({cgroups[0]->cgroup()}));
  EXPECT_EQ(count_of(sampling.count({&program}), program), 0U);
  EXPECT_GT(sampling.sampler().stats()->cgroups_too_deep, 0U);
  sampling.select(only({cgroups[4]->cgroup()}));
  EXPECT_GT(count_of(sampling.count({&program}), program), 0U);
  while (!cgroups.empty()) {
    cgroups.pop_back();  // the innermost first
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, CgroupSelection, testing::Bool(),
                         [](const auto& instance) { return instance.param ? "v2" : "v1"; });

// Each is found by its controller's number in this kernel.
TEST(CgroupSelectionByHierarchy, follows_the_selection_from_one_to_the_next) {
  const std::vector<CgroupHierarchy> hierarchies = TestCgroup::hierarchies();
  if (hierarchies.empty()) {
    GTEST_SKIP() << "no cgroup can be made here";
  }
  const TestCgroup anywhere(hierarchies.front(), "waggle_anywhere");
  Sampling sampling(only({anywhere.cgroup()}));
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    SCOPED_TRACE(hierarchy.name);
    const TestCgroup chosen(hierarchy, "waggle_chosen");
    const TestCgroup other(hierarchy, "waggle_other");
    const TestProgram in_chosen({RECURSION, "10"});
    const TestProgram in_other({RECURSION, "10"});
    chosen.take(in_chosen.pid());
    other.take(in_other.pid());
    sampling.select(only({chosen.cgroup()}));
    const Counts counts = sampling.count({&in_chosen, &in_other});
    EXPECT_GT(count_of(counts, in_chosen), 0U);
    EXPECT_EQ(counts.size(), 1U);
  }
}

TEST(CommSelection, takes_samples_of_the_names_alone) {
  const TestProgram program({RECURSION, "10"});
  const TestProgram renamed({"/bin/sh", "-c", "echo ready; while :; do :; done"});
  Sampling sampling({.included = {}, .excluded = {}, .comms = {"sh"}, .hierarchies = {}});
  const Counts counts = sampling.count({&program, &renamed});
  EXPECT_GT(count_of(counts, renamed), 0U);
  EXPECT_EQ(count_of(counts, program), 0U);
  sampling.select({.included = {}, .excluded = {}, .comms = {"recursion"}, .hierarchies = {}});
  const Counts later = sampling.count({&program, &renamed});
  EXPECT_EQ(count_of(later, renamed), 0U);
  EXPECT_GT(count_of(later, program), 0U);
}

}  // namespace
}  // namespace waggle
