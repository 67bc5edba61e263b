// SPDX-License-Identifier: Apache-2.0
// What a tick costs in the kernel that finds a process which is not selected, beside one that is:
// selection_cost_bench [SLICES [SLICE_MS]].  By pid, and by a cgroup of v1 and of v2 with both
// processes so many levels below the root; the selected one has 30 frames.  Nanoseconds by the
// kernel's own clock; the two take turns, what is not measured is stopped, and the median of the
// slices counts.
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "tests/bench/sampler_runs.h"
#include "tests/test_cgroup.h"
#include "userspace/select/selection_maps.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;

constexpr int kRate = 999;
constexpr int kDepth = 30;
constexpr milliseconds kWarmUp(300);

// A cgroup so many levels below the root, with what is above it.
class CgroupChain {
 public:
  CgroupChain(const CgroupHierarchy& hierarchy, const std::string& name, int levels) {
    std::string path;
    for (int level = 0; level < levels; ++level) {
      path += (path.empty() ? "" : "/") + name;
      chain_.push_back(std::make_unique<TestCgroup>(hierarchy, path));
    }
  }
  CgroupChain(const CgroupChain&) = delete;
  CgroupChain& operator=(const CgroupChain&) = delete;
  ~CgroupChain() {
    while (!chain_.empty()) {
      chain_.pop_back();  // the innermost first
    }
  }

  [[nodiscard]] Cgroup cgroup() const { return chain_.back()->cgroup(); }
  void take(const Targets& targets) const {
    for (const pid_t pid : targets.pids()) {
      chain_.back()->take(pid);
    }
  }

 private:
  std::vector<std::unique_ptr<TestCgroup>> chain_;
};

struct Slices {
  int count;
  milliseconds length;
};

// The sampler runs on both, and has been told who is selected.
void measure(const std::string& how, BenchSampler& sampler, const Targets& chosen,
             const Targets& other, const Slices& slices) {
  const auto sample = [&](const Targets& targets, milliseconds length) {
    const auto events = targets.sample_with(sampler.program_fd(), kRate);
    const auto ns = measure_slice(sampler.program_fd(), targets, events, length,
                                  sampler.drain_interval(), [&] { sampler.drain(); });
    sampler.drain();
    return ns;
  };
  (void)sample(chosen, kWarmUp);  // tells the mappings
  (void)sample(other, kWarmUp);
  (void)sampler.take_mean_depth();
  std::vector<double> chosen_ns;
  std::vector<double> other_ns;
  std::vector<double> ratios;
  for (int i = 0; i < slices.count; ++i) {
    const std::uint64_t skipped = sampler.stats().skipped_not_selected;
    const auto of_chosen = sample(chosen, slices.length);
    CHECK(sampler.stats().skipped_not_selected == skipped);
    const std::uint64_t samples = sampler.stats().samples;
    const auto of_other = sample(other, slices.length);
    CHECK(sampler.stats().samples == samples);  // not one of them was taken
    if (of_chosen && of_other) {
      chosen_ns.push_back(*of_chosen);
      other_ns.push_back(*of_other);
      ratios.push_back(*of_other / *of_chosen);
    }
  }
  const auto [least, most] = std::ranges::minmax(ratios);
  fmt::print("{:<12}{:>14.0f}{:>10.0f}{:>8.0f}{:>8.2f}   {:.2f} to {:.2f}\n", how, median(other_ns),
             median(chosen_ns), sampler.take_mean_depth(), median(ratios), least, most);
}

void measure_pids(const Slices& slices) {
  const Targets chosen(RECURSION, kDepth);
  const Targets other(RECURSION, kDepth);
  BenchSampler sampler({.frequency = kRate, .is_pid_filtered = true});
  for (const pid_t pid : chosen.pids()) {
    CHECK(sampler.owner().select_pid(pid));
  }
  measure("pids", sampler, chosen, other, slices);
}

void measure_cgroups(const CgroupHierarchy& hierarchy, int levels, const Slices& slices) {
  const CgroupChain chosen_chain(hierarchy, "waggle_bench_chosen", levels);
  const CgroupChain other_chain(hierarchy, "waggle_bench_other", levels);
  const Targets chosen(RECURSION, kDepth);
  const Targets other(RECURSION, kDepth);
  chosen_chain.take(chosen);
  other_chain.take(other);
  BenchSampler sampler({.frequency = kRate, .is_cgroup_filtered = true});
  CpuSampler& owner = sampler.owner();
  CHECK(SelectionMaps(owner.cgroups_fd(), owner.comms_fd(), owner.cgroup_state())
            .set({.included = {chosen_chain.cgroup()},
                  .excluded = {},
                  .comms = {},
                  .hierarchies = {}}));
  measure(fmt::format("{}, {} deep", hierarchy.number == SEL_V2 ? "v2" : "v1", levels), sampler,
          chosen, other, slices);
}

int run(const Slices& slices) {
  const UniqueFd stats(bpf_enable_stats(BPF_STATS_RUN_TIME));
  if (!stats.is_open()) {
    fmt::print(stderr, "skipped: BPF run time statistics need root\n");
    return 77;
  }
  print_load();
  fmt::print("ns per tick at {} Hz, median of {} slices of {} ms each\n", kRate, slices.count,
             slices.length.count());
  fmt::print("{:<12}{:>14}{:>10}{:>8}{:>8}   {}\n", "selected by", "not selected", "selected",
             "frames", "ratio", "slices");
  measure_pids(slices);
  for (const bool is_v2 : {false, true}) {
    const std::optional<CgroupHierarchy> hierarchy = TestCgroup::hierarchy(is_v2);
    if (!hierarchy) {
      fmt::print("{}: no cgroup can be made here\n", is_v2 ? "v2" : "v1");
      continue;
    }
    for (const int levels : {1, 8}) {
      measure_cgroups(*hierarchy, levels, slices);
    }
  }
  return 0;
}

}  // namespace
}  // namespace waggle

int main(int argc, char** argv) {
  std::vector<int> numbers{7, 500};
  const auto arguments = std::span(argv, static_cast<std::size_t>(argc)).subspan(1);
  bool is_usable = arguments.size() <= numbers.size();
  for (std::size_t i = 0; is_usable && i < arguments.size(); ++i) {
    numbers[i] = waggle::parse_number<int>(arguments[i]).value_or(0);
    is_usable = numbers[i] > 0;
  }
  if (!is_usable) {
    fmt::print(stderr, "usage: selection_cost_bench [SLICES [SLICE_MS]]\n");
    return 2;
  }
  return waggle::run({.count = numbers[0], .length = std::chrono::milliseconds(numbers[1])});
}
