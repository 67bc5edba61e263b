// SPDX-License-Identifier: Apache-2.0
// A recording in this process, for tests that look inside while it runs.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "userspace/recorder.h"

namespace waggle {

class RecorderRun {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RecorderRun(const CpuSamplerOptions& options, const TableOptions& tables = {}) {
    auto recorder = Recorder::prepare(options, tables);
    CHECK(recorder);
    recorder_ = *std::move(recorder);
  }

  Recorder& operator*() { return *recorder_; }
  Recorder* operator->() { return recorder_.get(); }

  void start() {
    CHECK(recorder_->start());
    next_tick_ = Clock::now() + recorder_->tick_interval();
    next_housekeeping_ = Clock::now() + std::chrono::seconds(1);
  }

  // Until `is_over` or the time is up; whether it was.
  bool run_until(std::chrono::milliseconds time, const std::function<bool()>& is_over) {
    std::vector<pollfd> polled;
    for (const int fd : recorder_->fds()) {
      polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    }
    const Clock::time_point end = Clock::now() + time;
    while (Clock::now() < end && !is_over()) {
      (void)::poll(polled.data(), polled.size(), 5);
      step();
    }
    return is_over();
  }
  void run(std::chrono::milliseconds time) {
    (void)run_until(time, [] { return false; });
  }

  Recording finish() {
    CHECK(recorder_->stop());
    auto recording = recorder_->finish();
    CHECK(recording);
    return *std::move(recording);
  }

 private:
  void step() {
    CHECK(recorder_->on_readable());
    if (Clock::now() >= next_tick_) {
      CHECK(recorder_->tick());
      next_tick_ = Clock::now() + recorder_->tick_interval();
    }
    if (Clock::now() >= next_housekeeping_) {
      CHECK(recorder_->housekeep());
      next_housekeeping_ = Clock::now() + std::chrono::seconds(1);
    }
  }

  std::unique_ptr<Recorder> recorder_;
  Clock::time_point next_tick_;
  Clock::time_point next_housekeeping_;
};

// The frames of each stack of a process that has samples, root first, without those of the kernel.
struct SampledStack {
  std::vector<std::string> frames;
  std::uint64_t count;
};
inline std::vector<SampledStack> stacks_of(const Profile& profile, std::string_view comm) {
  std::vector<SampledStack> stacks;
  for (const auto& [stack, count] : profile.counts()) {
    if (profile.name(stack.comm) != comm) {
      continue;
    }
    SampledStack sampled{.frames = {}, .count = count};
    for (const Profile::NameId frame : stack.frames) {
      if (profile.name(frame).ends_with("_[k]")) {
        break;
      }
      sampled.frames.emplace_back(profile.name(frame));
    }
    stacks.push_back(std::move(sampled));
  }
  return stacks;
}

}  // namespace waggle
