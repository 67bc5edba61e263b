// SPDX-License-Identifier: Apache-2.0
// What perf recorded, read segment by segment while it goes on, by one perf script after the other.
// Not for perf record: session.h; nor for what a sample becomes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/watched_outputs.h"
#include "userspace/tools/perf/script.h"

namespace waggle {

// perf's clock, as perf_record_command() chooses it; times in ns are of it.
inline std::uint64_t perf_time_ns(std::chrono::steady_clock::time_point time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

struct PerfSegment {
  UniqueFd data;
  std::uint64_t bytes = 0;
  std::uint64_t earliest_ns = 0;  // no sample is older
  // Samples count from and until these times.
  std::uint64_t from_ns = 0;
  std::uint64_t until_ns = ~std::uint64_t{0};
  // About when it was sampled.
  std::chrono::steady_clock::time_point begin;
  std::chrono::steady_clock::time_point end;
};

struct PerfSegmentHooks {
  std::function<void(const PerfSample&)> on_sample;
  // A child of ours, that is not to be sampled.
  std::function<void(pid_t)> add_own;
  // Of what was sampled from `since` on.
  std::function<void(std::string, std::chrono::steady_clock::time_point since)> note_problem;
  // What was sampled then is dropped.
  std::function<void(const PerfSegment&)> on_dropped;
};

// One thread.  Destruction kills what runs.
class PerfSegmentReader {
 public:
  struct Counters {
    std::uint64_t lost = 0;                // records, as the kernel says
    std::chrono::nanoseconds throttled{};  // PerfDataFacts::throttled
    std::chrono::microseconds cpu_time{};
  };

  // waiting_bytes: PerfSessionLimits'.
  PerfSegmentReader(std::string perf, std::uint64_t waiting_bytes, EventLoop& loop,
                    PerfSegmentHooks hooks)
      : perf_(std::move(perf)),
        waiting_bytes_(waiting_bytes),
        loop_(loop),
        hooks_(std::move(hooks)) {}
  PerfSegmentReader(const PerfSegmentReader&) = delete;  // handlers hold its address
  PerfSegmentReader& operator=(const PerfSegmentReader&) = delete;
  ~PerfSegmentReader() { outputs_.remove_all(loop_); }

  void add(PerfSegment segment);
  // A few times a second.
  void tick();
  [[nodiscard]] bool is_idle() const { return script_ == nullptr && segments_.empty(); }
  // None that was added has samples from before that time any more.
  [[nodiscard]] bool has_read_until(std::uint64_t time_ns) const;
  // What is not read yet is dropped, and told.
  void end();

  [[nodiscard]] const Counters& counters() const { return counters_; }
  // 0: none runs.
  [[nodiscard]] pid_t script_pid() const { return script_ == nullptr ? 0 : script_->pid(); }

 private:
  using Clock = std::chrono::steady_clock;

  void drop_segments();
  Result<> start_script();
  void end_script();

  std::string perf_;
  std::uint64_t waiting_bytes_;
  EventLoop& loop_;
  PerfSegmentHooks hooks_;
  std::deque<PerfSegment> segments_;
  std::unique_ptr<PerfScript> script_;  // of one segment at a time
  std::uint64_t script_earliest_ns_ = 0;
  Clock::time_point script_begin_;  // PerfSegment::begin
  WatchedOutputs outputs_;          // of the script
  Clock::time_point heard_;         // when it last printed something
  Counters counters_;
  bool has_told_drop_ = false;
};

}  // namespace waggle
