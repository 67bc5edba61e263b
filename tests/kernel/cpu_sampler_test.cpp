// SPDX-License-Identifier: Apache-2.0
#include "userspace/samplers/cpu_sampler.h"

#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "bpf/abi/frame.h"
#include "bpf/abi/markers.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;

// The frames without those of the kernel, which an interrupted system call or fault puts on top.
std::size_t user_depth(const CountedStack& stack) {
  return static_cast<std::size_t>(std::ranges::count_if(
      stack.frames, [](std::uint64_t frame) { return frame_kind_of(frame) != FRAME_KERNEL; }));
}

// All lines of a recording, added up.
struct Recording {
  std::uint64_t counted = 0;
  std::uint64_t without_frames = 0;
  std::size_t deepest = 0;  // user frames, and the marker where there is one
  std::map<pid_t, std::uint64_t> by_process;
  std::map<std::string, std::uint64_t> by_comm;
  std::uint64_t deepest_marker = MARKER_COUNT;
  cpu_stats stats{};
  std::uint64_t withheld = 0;

  void add(const CountedStack& stack) {
    counted += stack.count;
    without_frames += stack.frames.empty() ? stack.count : 0;
    by_process[static_cast<pid_t>(stack.key.process.tgid)] += stack.count;
    by_comm[stack.key.comm] += stack.count;
    const std::size_t depth = user_depth(stack);
    if (depth > deepest) {
      deepest = depth;
      const std::uint64_t root = stack.frames.back();
      deepest_marker =
          frame_kind_of(root) == FRAME_MARKER ? frame_payload(root) : std::uint64_t{MARKER_COUNT};
    }
  }

  [[nodiscard]] std::uint64_t lost() const {
    std::uint64_t sum = 0;
#define ADD_total(name)
#define ADD_skipped(name)
#define ADD_truncated(name)
#define ADD_note(name)
#define ADD_lost(name) sum += stats.name;
#define X(kind, name, text) ADD_##kind(name)
    WAGGLE_STATS(X)
#undef X
    return sum;
  }
};

// Samples for `duration`, draining as often as the sampler asks.
Recording record(CpuSampler& sampler, milliseconds duration) {
  Recording recording;
  const CountedStackSink sink = [&](const CountedStack& stack) { recording.add(stack); };
  const Result<SamplingEvent> event = choose_sampling_event();
  EXPECT_TRUE(event) << event.error().what;
  const Result<> started = sampler.start(*event);
  EXPECT_TRUE(started) << started.error().what;
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::min(sampler.drain_interval(), duration));
    EXPECT_TRUE(sampler.drain(sink));
  }
  sampler.stop();
  EXPECT_TRUE(sampler.drain(sink));
  EXPECT_TRUE(sampler.drain(sink));
  recording.stats = sampler.stats().value();
  recording.withheld = sampler.withheld(recording.stats);
  return recording;
}

CpuSampler load(const CpuSamplerOptions& options) {
  Result<CpuSampler> sampler = CpuSampler::load(options);
  EXPECT_TRUE(sampler) << sampler.error().what;
  return std::move(*sampler);
}

void expect_nothing_missing(const Recording& recording) {
  EXPECT_GT(recording.stats.samples, 0U);
  EXPECT_EQ(recording.counted + recording.lost(), recording.stats.samples);
  EXPECT_EQ(recording.without_frames, 0U);
}

class CpuSamplerAtRate : public testing::TestWithParam<int> {};

TEST_P(CpuSamplerAtRate, accounts_for_every_sample_of_busy_cpus) {
  const TestProgram first({RECURSION, "30"});
  const TestProgram second({RECURSION, "300"});
  CpuSampler sampler = load({.frequency = GetParam()});
  const Recording recording = record(sampler, milliseconds(2000));
  expect_nothing_missing(recording);
  EXPECT_EQ(recording.lost(), 0U);
  EXPECT_GT(recording.by_process.at(first.pid()), 0U);
  EXPECT_GT(recording.by_process.at(second.pid()), 0U);
}

TEST_P(CpuSamplerAtRate, names_what_a_ring_too_small_loses) {
  const TestProgram first({RECURSION, "300"});
  const TestProgram second({RECURSION, "1000"});
  CpuSampler sampler = load({.frequency = GetParam(), .ring_bytes = 4096});
  const Recording recording = record(sampler, milliseconds(2000));
  expect_nothing_missing(recording);
  EXPECT_GT(recording.stats.ring_full, 0U);  // a stack of 1,000 frames never fits
}

INSTANTIATE_TEST_SUITE_P(Rates, CpuSamplerAtRate, testing::Values(99, 999));

TEST(CpuSampler, walks_a_thousand_frames) {
  const TestProgram program({RECURSION, "1000"});
  CpuSampler sampler = load({.frequency = 999, .is_pid_filtered = true});
  ASSERT_TRUE(sampler.select_pid(program.pid()));
  const Recording recording = record(sampler, milliseconds(500));
  expect_nothing_missing(recording);
  EXPECT_EQ(recording.stats.truncated_depth, 0U);
  EXPECT_GE(recording.deepest, 1000U);
  EXPECT_LE(recording.deepest, 1000U + 8);
}

TEST(CpuSampler, keeps_the_leaf_side_of_a_stack_that_is_too_deep) {
  const TestProgram program({RECURSION, "5000"});
  CpuSampler sampler = load({.frequency = 999, .is_pid_filtered = true});
  ASSERT_TRUE(sampler.select_pid(program.pid()));
  const Recording recording = record(sampler, milliseconds(500));
  expect_nothing_missing(recording);
  EXPECT_GT(recording.stats.truncated_depth, recording.stats.samples * 9 / 10);
  EXPECT_GE(recording.deepest, std::size_t{CPU_MAX_USER_FRAMES});
  EXPECT_EQ(recording.deepest_marker, std::uint64_t{MARKER_truncated_depth});
}

TEST(CpuSampler, samples_only_what_is_selected) {
  const TestProgram selected({RECURSION, "10"});
  const TestProgram other({RECURSION, "10"});
  CpuSampler sampler = load({.frequency = 999, .is_pid_filtered = true});
  ASSERT_TRUE(sampler.select_pid(selected.pid()));
  const Recording recording = record(sampler, milliseconds(500));
  expect_nothing_missing(recording);
  EXPECT_EQ(recording.by_process.size(), 1U);
  EXPECT_EQ(recording.by_process.at(selected.pid()), recording.stats.samples);
  EXPECT_GT(recording.stats.skipped_not_selected, 0U);
}

TEST(CpuSampler, never_samples_itself) {
  CpuSampler sampler = load({.frequency = 999});
  std::atomic<bool> is_over = false;
  const std::jthread burner([&] {
    while (!is_over) {
    }
  });
  const Recording recording = record(sampler, milliseconds(500));
  is_over = true;
  EXPECT_GT(recording.stats.skipped_self, 0U);
  EXPECT_FALSE(recording.by_process.contains(::getpid()));
}

TEST(CpuSampler, forgets_a_selected_process_that_ends) {
  CpuSampler sampler = load({.frequency = 99, .is_pid_filtered = true});
  {
    const TestProgram program({RECURSION, "10"});
    ASSERT_TRUE(sampler.select_pid(program.pid()));
    ASSERT_TRUE(sampler.start(choose_sampling_event().value()));
    EXPECT_EQ(sampler.selected_count(), 1U);
  }
  EXPECT_EQ(sampler.selected_count(), 0U);
}

TEST(CpuSampler, lists_the_threads_of_user_processes_and_their_cpu_time) {
  const TestProgram program({RECURSION, "10"});
  const CpuSampler sampler = load({.frequency = 99});
  const std::jthread second([] { std::this_thread::sleep_for(milliseconds(300)); });
  const auto threads = sampler.list_threads();
  ASSERT_TRUE(threads) << threads.error().what;
  const auto count_of = [&](pid_t pid) {
    return std::ranges::count(*threads, static_cast<std::uint32_t>(pid),
                              [](const auto& thread) { return thread.process.tgid; });
  };
  EXPECT_EQ(count_of(program.pid()), 1);
  EXPECT_EQ(count_of(::getpid()), 2);
  EXPECT_EQ(count_of(2), 0);  // kthreadd
  std::this_thread::sleep_for(milliseconds(100));
  const auto later = sampler.list_threads();
  ASSERT_TRUE(later) << later.error().what;
  const auto time_of = [&](const auto& list) {
    return std::ranges::find(list, static_cast<std::uint32_t>(program.pid()),
                             [](const auto& thread) { return thread.process.tgid; })
        ->cpu_ns;
  };
  EXPECT_GT(time_of(*later), time_of(*threads));
}

TEST(CpuSampler, takes_the_samples_that_the_rate_promises) {
  const TestProgram first({RECURSION, "10"});
  const TestProgram second({RECURSION, "10"});
  CpuSampler sampler = load({.frequency = 999});
  const CpuTime before = cpu_time_of(first.pid()) + cpu_time_of(second.pid());
  const Recording recording = record(sampler, milliseconds(3000));
  const CpuTime spent = cpu_time_of(first.pid()) + cpu_time_of(second.pid()) - before;
  const double taken = static_cast<double>(recording.by_process.at(first.pid()) +
                                           recording.by_process.at(second.pid()));
  const double promised = std::chrono::duration<double>(spent).count() * 999;
  // What the kernel withheld was promised too, and is reported.
  EXPECT_NEAR((taken + static_cast<double>(recording.withheld)) / promised, 1.0, 0.05)
      << taken << " samples, " << recording.withheld << " withheld, " << promised << " promised";
}

}  // namespace
}  // namespace waggle
