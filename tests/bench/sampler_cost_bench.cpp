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
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/bench/stackid_peer.skel.h"
#include "tests/test_program.h"
#include "userspace/attach/bpf_handles.h"
#include "userspace/attach/perf_event.h"
#include "userspace/attach/sampling_event.h"
#include "userspace/mapping_follower.h"
#include "userspace/process/process_table.h"
#include "userspace/profile/locator.h"
#include "userspace/samplers/cpu_sampler.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr int kRates[] = {999, 99};
constexpr int kDepths[] = {10, 30, 100, 300, 1000};
constexpr int kFramesAround = 4;  // main, burn and those of libc, see tests/programs/recursion.c
constexpr int kJudgedRate = 999;
constexpr int kJudgedDepth = 30;
constexpr milliseconds kWarmUp(300);
// Of two bpf_get_stackid(), with frame pointers and without.
constexpr double kBudget = 0.70;
constexpr double kBudgetNoFp = 0.80;

// One process on each CPU, all at the same depth.
class Targets {
 public:
  Targets(const std::string& program, int depth) {
    const Result<std::vector<int>> cpus = online_cpus();
    CHECK(cpus);
    for (const int cpu : *cpus) {
      programs_.push_back(std::make_unique<TestProgram>(
          std::vector<std::string>{program, std::to_string(depth - kFramesAround)}));
      cpu_set_t only;
      CPU_ZERO(&only);
      CPU_SET(static_cast<unsigned>(cpu), &only);
      CHECK(::sched_setaffinity(programs_.back()->pid(), sizeof(only), &only) == 0);
    }
    signal_all(SIGSTOP);
  }

  void signal_all(int signal) const {
    for (const auto& program : programs_) {
      CHECK(::kill(program->pid(), signal) == 0);
    }
  }

  // One event for each process, disabled, that runs the program.
  [[nodiscard]] std::vector<UniqueFd> sample_with(int program_fd, int rate) const {
    std::vector<UniqueFd> events;
    for (const auto& program : programs_) {
      perf_event_attr attr{};
      attr.type = PERF_TYPE_SOFTWARE;
      attr.config = PERF_COUNT_SW_CPU_CLOCK;
      attr.freq = 1;
      attr.sample_freq = static_cast<std::uint64_t>(rate);
      attr.disabled = 1;
      Result<UniqueFd> event = open_perf_event(attr, program->pid(), -1, -1, 0);
      CHECK(event);
      CHECK(::ioctl(event->get(), PERF_EVENT_IOC_SET_BPF, program_fd) == 0);
      events.push_back(std::move(*event));
    }
    return events;
  }

 private:
  std::vector<std::unique_ptr<TestProgram>> programs_;
};

struct Runs {
  std::uint64_t count;
  std::uint64_t time_ns;
};

Runs runs_of(int program_fd) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof(info);
  CHECK(bpf_obj_get_info_by_fd(program_fd, &info, &size) == 0);
  return {.count = info.run_cnt, .time_ns = info.run_time_ns};
}

// Lets the program sample for one slice, doing `work` now and then: ns per run, if it ran at all.
template <class Work>
std::optional<double> measure_slice(int program_fd, const Targets& targets,
                                    const std::vector<UniqueFd>& events, milliseconds slice,
                                    milliseconds interval, Work work) {
  targets.signal_all(SIGCONT);
  const Runs before = runs_of(program_fd);
  for (const UniqueFd& event : events) {
    CHECK(enable_event(event.get()));
  }
  const Clock::time_point end = Clock::now() + slice;
  while (Clock::now() < end) {
    std::this_thread::sleep_until(std::min(end, Clock::now() + interval));
    work();
  }
  for (const UniqueFd& event : events) {
    CHECK(disable_event(event.get()));
  }
  targets.signal_all(SIGSTOP);
  const Runs after = runs_of(program_fd);
  if (after.count == before.count) {
    return std::nullopt;
  }
  return static_cast<double>(after.time_ns - before.time_ns) /
         static_cast<double>(after.count - before.count);
}

double median(std::vector<double> values) {
  CHECK(!values.empty());
  std::ranges::sort(values);
  return values[values.size() / 2];
}

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

// waggle's sampler, and what it needs of the recorder: counts are drained, mappings are told.
class Sampler {
 public:
  explicit Sampler(int rate)
      : sampler_(load(rate)),
        program_(bpf_prog_get_fd_by_id(sampler_.programs().front().id)),
        locator_(processes_),
        tables_(UnwindTables::start(sampler_.tables_fd(), sampler_.rules_fd()).value()),
        follower_(processes_, locator_, tables_, nullptr, sampler_.mappings_fd(),
                  sampler_.nodes_fd(), sampler_.mappings_version()) {
    CHECK(program_.is_open() && processes_.scan());
  }

  [[nodiscard]] int program_fd() const { return program_.get(); }
  [[nodiscard]] milliseconds drain_interval() const { return sampler_.drain_interval(); }
  [[nodiscard]] cpu_stats stats() const { return sampler_.stats().value(); }
  // Of the stacks drained since the last call.
  double take_mean_depth() {
    return static_cast<double>(std::exchange(frame_count_, 0)) /
           static_cast<double>(std::exchange(sample_count_, 0));
  }

  void drain() {
    CHECK(sampler_.drain([this](const CountedStack& stack) {
      frame_count_ += stack.frames.size() * stack.count;
      sample_count_ += stack.count;
    }));
    follower_.recycle();
    follower_.take_tables(TableClock::now().monotonic_ns);
    for (const CpuSampler::Unplaced& unplaced : sampler_.take_unplaced()) {
      follower_.want(unplaced.process, unplaced.time_ns);
    }
    follower_.catch_up();
  }

 private:
  static CpuSampler load(int rate) {
    Result<CpuSampler> sampler = CpuSampler::load({.frequency = rate});
    CHECK(sampler);
    return std::move(*sampler);
  }

  CpuSampler sampler_;
  UniqueFd program_;
  ProcessTable processes_{ProcFs()};
  Locator locator_;
  UnwindTables tables_;
  MappingFollower follower_;
  std::uint64_t frame_count_ = 0;
  std::uint64_t sample_count_ = 0;
};

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
  Sampler sampler(rate);
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

void print_load() {
  const Result<std::string> load = read_file("/proc/loadavg", 256);
  fmt::print("load average {}", load ? *load : "unknown\n");
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
