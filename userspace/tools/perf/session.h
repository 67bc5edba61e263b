// SPDX-License-Identifier: Apache-2.0
// A perf that is kept running for a whole recording: its data is read segment by segment while it
// goes on, and another takes its place when it has died, has grown, or has run for long.  It may be
// accounted for in parts.  Not for one perf: recording.h; nor for what a sample becomes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/watched_outputs.h"
#include "userspace/tools/perf/recording.h"
#include "userspace/tools/perf/sampling_gaps.h"
#include "userspace/tools/perf/segment_reader.h"

namespace waggle {

struct PerfSessionLimits {
  // perf keeps what it hears of every process until it ends.
  std::size_t rss_bytes = std::size_t{200} << 20;
  std::chrono::milliseconds age = std::chrono::minutes(10);
  // After an unexpected end: doubled each time, until one has run for `calm`.
  std::chrono::milliseconds first_pause = std::chrono::milliseconds(500);
  std::chrono::milliseconds calm = std::chrono::minutes(1);
  int max_failures = 8;  // one after the other; then it is given up
  // Short, so that little is left to be read at the end; each costs perf a look at all processes.
  std::chrono::milliseconds segment = std::chrono::seconds(10);
  // While others wait to be read, one goes on for longer: for so long, or until it is so large.
  std::chrono::milliseconds longest_segment = std::chrono::seconds(30);
  std::uint64_t segment_bytes = std::uint64_t{256} << 20;
  // Of those that wait to be read; more than that, and the oldest are dropped.
  std::uint64_t waiting_bytes = std::uint64_t{1} << 30;
};

struct PerfSessionHooks {
  std::function<void(const PerfSample&)> on_sample;
  // A child of ours, that is not to be sampled.
  std::function<void(pid_t)> add_own;
  // Who a perf that is started now has to name, of those that live.
  std::function<std::vector<pid_t>()> find_targets;
};

// One thread.  Destruction kills what runs.
class PerfSession {
 public:
  struct Counters {
    std::uint64_t lost = 0;                // records, as the kernel says
    std::chrono::nanoseconds throttled{};  // PerfDataFacts::throttled
    int restarts = 0;
    std::chrono::nanoseconds gap{};  // while none sampled, or its data went with it
    std::chrono::microseconds cpu_time{};
  };
  // Of a part of it.
  struct Account {
    Counters counters;
    std::string first_problem;  // "": none
  };

  // `directory`: private.  Returns once perf samples.  record.pids: not read, find_targets says;
  // is_whole_host: it has nobody to name.
  static Result<std::unique_ptr<PerfSession>> start(PerfRecordOptions record, bool is_whole_host,
                                                    std::string directory, EventLoop& loop,
                                                    PerfSessionHooks hooks,
                                                    const PerfSessionLimits& limits = {});
  PerfSession(const PerfSession&) = delete;  // handlers hold its address
  PerfSession& operator=(const PerfSession&) = delete;
  ~PerfSession();

  // A few times a second.
  void tick();
  // All that it samples has ended, and so has perf.
  [[nodiscard]] bool is_over() const { return state_ == State::over; }
  // perf does not stay alive here.
  [[nodiscard]] bool is_given_up() const { return state_ == State::given_up; }
  // What went wrong since the last call, a line each.
  std::vector<std::string> take_problems();
  // The first of them that no account has; "": none.
  [[nodiscard]] std::string first_problem() const {
    return unaccounted_.empty() ? "" : unaccounted_.front().text;
  }

  // What was sampled before `end`, which is now, is to be read soon: has_read_until().
  void cut(std::chrono::steady_clock::time_point end) { cut_ = end; }
  // No sample from before that time, in ns of perf's clock, comes any more.
  [[nodiscard]] bool has_read_until(std::uint64_t time_ns) const;
  // What there was since the last account; of gaps and problems, those of before `end`.
  Account take_account(std::chrono::steady_clock::time_point end);

  // Asks for the end, without waiting.
  void interrupt();
  // Has ended; reads meanwhile what is there.
  bool poll_stopped();
  // Kills what has not ended.
  void end();
  // After the end, until it says that nothing is left.
  bool poll_read();
  // What is not read yet is dropped.
  void end_reading();

  // Since the start.
  [[nodiscard]] Counters counters() const;

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { running, over, given_up, stopping };

  // One perf record.  Samples count from and until these times, so that two that overlap count
  // nothing twice and miss nothing.
  struct Run {
    PerfRecording recording;
    std::string directory;
    Clock::time_point start;
    std::uint64_t from_ns = 0;
    std::uint64_t until_ns = ~std::uint64_t{0};
    Clock::time_point segment_start;
    Clock::time_point taken_until;            // of its data
    Clock::time_point earliest;               // no sample that is not taken is older
    std::optional<Clock::time_point> rolled;  // of a roll whose segment is not there yet
    WatchedOutputs outputs;

    [[nodiscard]] std::uint64_t earliest_ns() const;
  };

  struct Problem {
    Clock::time_point time;
    std::string text;
  };

  PerfSession(PerfRecordOptions record, bool is_whole_host, std::string directory, EventLoop& loop,
              PerfSessionHooks hooks, const PerfSessionLimits& limits);

  Result<std::unique_ptr<Run>> start_run(std::vector<pid_t> targets);
  void start_next();
  void look_after_next();
  void look_after_current();
  void look_after_old();
  void replace();
  void fail_start(const std::string& why);
  void count_failure(const std::string& why);
  void end_run(std::unique_ptr<Run>& run, const ToolEnd& end);
  void take_segments(Run& run);
  void add_segment(Run& run, UniqueFd data);
  PerfSegmentHooks reader_hooks();
  [[nodiscard]] bool is_worn_out(const Run& run) const;
  void roll(Run& run);
  [[nodiscard]] std::chrono::microseconds running_cpu_time() const;
  void note_problem(std::string text, Clock::time_point since = Clock::now());

  PerfRecordOptions record_;
  bool is_whole_host_;
  std::string directory_;
  EventLoop& loop_;
  PerfSessionHooks hooks_;
  PerfSessionLimits limits_;
  State state_ = State::running;
  int run_count_ = 0;
  std::unique_ptr<Run> current_;
  std::unique_ptr<Run> next_;  // does not sample yet
  std::unique_ptr<Run> old_;   // next_ has taken its place
  Clock::time_point old_deadline_;
  int failures_ = 0;  // one after the other
  Clock::time_point retry_;
  Clock::time_point cut_;
  PerfSegmentReader reader_;
  SamplingGaps gaps_;
  int restarts_ = 0;
  std::chrono::microseconds ended_cpu_time_{};  // of runs that have ended
  Counters accounted_;                          // their gaps have an account of their own
  std::vector<Problem> unaccounted_;            // problems, oldest first
  std::optional<Problem> down_;                 // why none samples, until one does
  std::vector<std::string> problems_;
  bool has_told_crash_ = false;
};

}  // namespace waggle
