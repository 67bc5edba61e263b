// SPDX-License-Identifier: Apache-2.0
// Runs of waggle's sampling program on processes that a bench chooses, timed by the kernel
// (BPF_ENABLE_STATS, which the bench turns on).
#pragma once

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "tests/test_program.h"
#include "userspace/attach/perf_event.h"
#include "userspace/attach/sampling_event.h"
#include "userspace/mapping_follower.h"
#include "userspace/process/process_table.h"
#include "userspace/profile/locator.h"
#include "userspace/samplers/cpu_sampler.h"

namespace waggle {

inline constexpr int kFramesAround = 4;  // main, burn and those of libc, see programs/recursion.c

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

  [[nodiscard]] std::vector<pid_t> pids() const {
    std::vector<pid_t> pids;
    for (const auto& program : programs_) {
      pids.push_back(program->pid());
    }
    return pids;
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

inline Runs runs_of(int program_fd) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof(info);
  CHECK(bpf_obj_get_info_by_fd(program_fd, &info, &size) == 0);
  return {.count = info.run_cnt, .time_ns = info.run_time_ns};
}

// Lets the program sample for one slice, doing `work` now and then: ns per run, if it ran at all.
template <class Work>
std::optional<double> measure_slice(int program_fd, const Targets& targets,
                                    const std::vector<UniqueFd>& events,
                                    std::chrono::milliseconds slice,
                                    std::chrono::milliseconds interval, Work work) {
  targets.signal_all(SIGCONT);
  const Runs before = runs_of(program_fd);
  for (const UniqueFd& event : events) {
    CHECK(enable_event(event.get()));
  }
  using Clock = std::chrono::steady_clock;
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

inline double median(std::vector<double> values) {
  CHECK(!values.empty());
  std::ranges::sort(values);
  return values[values.size() / 2];
}

inline void print_load() {
  const Result<std::string> load = read_file("/proc/loadavg", 256);
  fmt::print("load average {}", load ? *load : "unknown\n");
}

// waggle's sampler, and what it needs of the recorder: counts are drained, mappings are told.
class BenchSampler {
 public:
  explicit BenchSampler(const CpuSamplerOptions& options)
      : sampler_(load(options)),
        program_(bpf_prog_get_fd_by_id(sampler_.programs().front().id)),
        locator_(processes_),
        tables_(UnwindTables::start(sampler_.tables_fd(), sampler_.rules_fd()).value()),
        follower_(processes_, locator_, tables_, nullptr, sampler_.mappings_fd(),
                  sampler_.nodes_fd(), sampler_.mappings_version()) {
    CHECK(program_.is_open() && processes_.scan());
  }

  [[nodiscard]] int program_fd() const { return program_.get(); }
  [[nodiscard]] std::chrono::milliseconds drain_interval() const {
    return sampler_.drain_interval();
  }
  [[nodiscard]] cpu_stats stats() const { return sampler_.stats().value(); }
  [[nodiscard]] CpuSampler& owner() { return sampler_; }
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
  static CpuSampler load(const CpuSamplerOptions& options) {
    Result<CpuSampler> sampler = CpuSampler::load(options);
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

}  // namespace waggle
