// SPDX-License-Identifier: Apache-2.0
// What a sample costs in the kernel: sampler_cost_bench [SLICES [SLICE_MS [HZ FRAMES]]].
//   no fp     cpu_on_tick as `waggle record` loads it, counting and new stacks included, on a
//             program without frame pointers
//   fp        the same on that program with frame pointers
//   sites     the same on one without frame pointers in which all call sites differ (sites.cpp)
//   stackid   bpf_get_stackid() twice and nothing else (stackid_peer.bpf.c), on the one with frame
//             pointers
//   miss      (sites - no fp) / frames: what a frame costs that the cache of call sites does not
//   have
// All count nanoseconds by the kernel's own clock (BPF_ENABLE_STATS), on two processes of the same
// depth, one on each CPU; those that are not measured are stopped.  They take turns of SLICE_MS
// each, so that what the machine does meanwhile hits all, and the median of the slices counts.  The
// events belong to the processes and not to the CPUs: no run hits another process, so every run
// takes a sample and none is filtered.  The kernel side knows the mappings and tables of all before
// the first slice, as it does in a recording.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/bench/sampler_runs.h"
#include "tests/bench/stackid_peer.skel.h"
#include "userspace/attach/bpf_handles.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;

constexpr int kRates[] = {999, 99};
constexpr int kDepths[] = {10, 30, 100, 300, 1000};
constexpr int kJudgedRate = 999;
constexpr int kJudgedDepth = 30;
constexpr milliseconds kWarmUp(300);
// Of two bpf_get_stackid(), with frame pointers and without.
constexpr double kBudget = 0.70;
constexpr double kBudgetNoFp = 0.80;

// How many frames bpf_get_stackid() takes at the most: kernel.perf_event_max_stack.
std::uint32_t stackid_depth() {
  const Result<std::string> text = read_file("/proc/sys/kernel/perf_event_max_stack", 64);
  CHECK(text);
  return parse_number<std::uint32_t>(std::string_view(*text).substr(0, text->find('\n'))).value();
}

Skeleton<stackid_peer_bpf> load_peer() {
  Skeleton<stackid_peer_bpf> peer(stackid_peer_bpf::open(nullptr));
  CHECK(peer);
  CHECK(bpf_map__set_value_size(peer->maps.peer_stacks,
                                stackid_depth() * std::uint32_t{sizeof(std::uint64_t)}) == 0);
  CHECK(stackid_peer_bpf::load(peer.get()) == 0);
  return peer;
}

// One program, and what a sample of it costs.
struct Series {
  Targets targets;
  std::vector<UniqueFd> events;
  std::vector<double> ns;
  double frames = 0;  // as waggle counted them, mean
};

struct Row {
  int rate;
  double frames;
  double no_fp_ns;
  double fp_ns;
  double sites_ns;
  double stackid_ns;
  std::vector<double> ratios;     // no fp / stackid
  std::vector<double> fp_ratios;  // fp / stackid
};

Row measure(int rate, int depth, int slices, milliseconds slice) {
  BenchSampler sampler({.frequency = rate});
  const Skeleton<stackid_peer_bpf> peer = load_peer();
  const int stackid = bpf_program__fd(peer->progs.peer_on_tick);
  std::vector<Series> all;
  for (const char* program : {RECURSION_NO_FP, RECURSION, SITES}) {
    Targets targets(program, depth);
    std::vector<UniqueFd> events = targets.sample_with(sampler.program_fd(), rate);
    all.push_back({.targets = std::move(targets), .events = std::move(events), .ns = {}});
  }
  const auto& [no_fp, fp, sites] = std::tie(all[0], all[1], all[2]);
  const std::vector<UniqueFd> stackid_events = fp.targets.sample_with(stackid, rate);
  const auto drain = [&] { sampler.drain(); };
  const auto sample = [&](const Series& series, milliseconds time) {
    return measure_slice(sampler.program_fd(), series.targets, series.events, time,
                         sampler.drain_interval(), drain);
  };
  for (const Series& series : all) {
    (void)sample(series, kWarmUp);  // tells the mappings
    drain();
  }
  const std::uint64_t unknown = sampler.stats().unknown_mappings;
  const std::uint64_t truncated = sampler.stats().truncated;
  (void)sampler.take_mean_depth();
  Row row{.rate = rate,
          .frames = 0,
          .no_fp_ns = 0,
          .fp_ns = 0,
          .sites_ns = 0,
          .stackid_ns = 0,
          .ratios = {},
          .fp_ratios = {}};
  std::vector<double> stackid_all;
  for (int i = 0; i < slices; ++i) {
    for (Series& series : all) {
      if (const auto ns = sample(series, slice)) {
        series.ns.push_back(*ns);
      }
      drain();
      series.frames = sampler.take_mean_depth();
    }
    if (const auto ns = measure_slice(stackid, fp.targets, stackid_events, slice, slice, [] {})) {
      stackid_all.push_back(*ns);
      row.ratios.push_back(no_fp.ns.back() / *ns);
      row.fp_ratios.push_back(fp.ns.back() / *ns);
    }
  }
  const cpu_stats stats = sampler.stats();
  CHECK(stats.samples == stats.ticks);       // no run was filtered
  CHECK(stats.unknown_mappings == unknown);  // nor was it slower than in a recording
  CHECK(stats.truncated == truncated);       // nor cut
  row.frames = no_fp.frames;
  row.no_fp_ns = median(no_fp.ns);
  row.fp_ns = median(fp.ns);
  row.sites_ns = median(sites.ns);
  row.stackid_ns = median(stackid_all);
  return row;
}

void print_row(const Row& row) {
  const auto [least, most] = std::ranges::minmax(row.ratios);
  fmt::print("{:>6}{:>8.0f}{:>9.0f}{:>9.0f}{:>9.0f}{:>9.0f}{:>7.0f}{:>8.2f}   {:.2f} to {:.2f}\n",
             row.rate, row.frames, row.no_fp_ns, row.fp_ns, row.sites_ns, row.stackid_ns,
             (row.sites_ns - row.no_fp_ns) / row.frames, median(row.ratios), least, most);
}

void judge(const char* what, const std::vector<double>& ratios, double budget) {
  const double ratio = median(ratios);
  fmt::print("ratio at {} frames, {} Hz, {}: {:.2f}, budget {:.2f}: {}\n", kJudgedDepth,
             kJudgedRate, what, ratio, budget, ratio <= budget ? "held" : "NOT HELD");
}

int run(int slices, milliseconds slice, std::span<const int> rates, std::span<const int> depths) {
  const UniqueFd stats(bpf_enable_stats(BPF_STATS_RUN_TIME));
  if (!stats.is_open()) {
    fmt::print(stderr, "skipped: BPF run time statistics need root\n");
    return 77;
  }
  print_load();
  fmt::print("ns per sample, median of {} slices of {} ms each; stackid takes {} frames at most\n",
             slices, slice.count(), stackid_depth());
  fmt::print("{:>6}{:>8}{:>9}{:>9}{:>9}{:>9}{:>7}{:>8}   {}\n", "Hz", "frames", "no fp", "fp",
             "sites", "stackid", "miss", "ratio", "slices");
  std::optional<Row> judged;
  for (const int rate : rates) {
    for (const int depth : depths) {
      const Row row = measure(rate, depth, slices, slice);
      print_row(row);
      if (rate == kJudgedRate && depth == kJudgedDepth) {
        judged = row;
      }
    }
  }
  print_load();
  if (judged) {
    judge("frame pointers", judged->fp_ratios, kBudget);
    judge("none", judged->ratios, kBudgetNoFp);
  }
  return 0;
}

}  // namespace
}  // namespace waggle

int main(int argc, char** argv) {
  std::vector<int> numbers;
  for (const char* argument : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    numbers.push_back(waggle::parse_number<int>(argument).value_or(0));
  }
  const bool is_usable = std::ranges::all_of(numbers, [](int number) { return number > 0; });
  if (!is_usable || numbers.size() == 3 || numbers.size() > 4) {
    fmt::print(stderr, "usage: sampler_cost_bench [SLICES [SLICE_MS [HZ FRAMES]]]\n");
    return 2;
  }
  const int slices = numbers.empty() ? 7 : numbers[0];
  const std::chrono::milliseconds slice(numbers.size() < 2 ? 1000 : numbers[1]);
  if (numbers.size() < 4) {
    return waggle::run(slices, slice, waggle::kRates, waggle::kDepths);
  }
  return waggle::run(slices, slice, std::span(numbers).subspan(2, 1),
                     std::span(numbers).subspan(3, 1));
}
