// SPDX-License-Identifier: Apache-2.0
// One recording where the kernel runs no BPF programs: perf samples, as our child, and its data is
// read segment by segment while it goes on.  Reads as recorder.h.  Not for what a person asks or
// sees: cli/record.cpp.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/work_directory.h"
#include "userspace/attach/process_stream.h"
#include "userspace/fallback_names.h"
#include "userspace/profile/profile.h"
#include "userspace/tools/perf/recording.h"
#include "userspace/tools/perf/script.h"

namespace waggle {

struct FallbackOptions {
  std::string perf;  // path of the program
  int frequency_hz = 99;
  PerfMode mode = PerfMode::fp;
  int dwarf_stack_bytes = 8192;
  bool is_pid_filtered = false;
  bool follows_children = false;
  bool counts_threads = false;
};

struct FallbackRecording {
  Profile profile;
  std::string event;          // "cpu-clock"
  std::uint64_t samples = 0;  // that perf wrote, without those of idle CPUs and of our own
  std::uint64_t lost = 0;     // that it says it lost
  std::uint64_t truncated = 0;
  std::string problem;  // of perf: what happened; "" for nothing
  std::chrono::nanoseconds duration{};
  std::chrono::microseconds perf_cpu_time{};
};

// One thread.  Destruction at any point leaves no process and no file.
class FallbackRecorder {
 public:
  // Finds the event that samples here; takes half a second.  Errc::unsupported when there is none.
  static Result<std::unique_ptr<FallbackRecorder>> prepare(const FallbackOptions& options);
  FallbackRecorder(const FallbackRecorder&) = delete;  // handlers hold its address
  FallbackRecorder& operator=(const FallbackRecorder&) = delete;
  ~FallbackRecorder() = default;

  void select_pid(pid_t pid) { pids_.insert(pid); }
  // Returns once perf samples.
  Result<> start();
  // Samples of the process that are read from now on stay apart in the profile
  // (Profile::Stack::process).  Returns its exec name.
  std::string tell_apart(pid_t pid);
  // With FallbackOptions::counts_threads; "": not known.
  [[nodiscard]] std::string thread_name(pid_t tid) const {
    return std::string(names_.thread_name(tid));
  }
  // A tool of ours: no sample of it counts.
  void add_own(pid_t pid) { own_.insert(pid); }

  // Containers that were not seen before, since the last call.
  std::vector<ContainerRef> take_new_containers() { return names_.take_new_containers(); }

  // Readable when on_readable() has work to do.
  [[nodiscard]] int fd() const { return loop_.fd(); }
  Result<> on_readable() { return loop_.run_once(std::chrono::milliseconds(0)); }
  // A few times a second: segments, the state of perf.
  Result<> tick();
  // About once a second.
  Result<> housekeep();

  // perf has ended, because all that it samples has, or for a reason that take_problem() tells.
  [[nodiscard]] bool is_over() const { return has_perf_ended_; }
  // Samples that have been read so far.
  [[nodiscard]] std::uint64_t samples() const { return result_.samples; }
  // One line, once.
  std::optional<std::string> take_problem();

  // Ends sampling.  Takes as long as perf needs, at most three seconds.
  Result<> stop();
  // Reads what is left, until seven seconds after stop() began.
  Result<FallbackRecording> finish();

 private:
  using Clock = std::chrono::steady_clock;

  // Descriptors of a child that are in loop_; -1: none.
  struct Watched {
    int output = -1;
    int errors = -1;
  };

  FallbackRecorder(const FallbackOptions& options, WorkDirectory directory, EventLoop loop,
                   ProcessStream stream);
  template <class Child>
  Result<> watch(const Child& child, Watched& watched, const EventLoop::Handler& handler);
  template <class Child>
  void forget_closed(const Child& child, Watched& watched);
  void forget(Watched& watched);

  void drain_stream();
  void read_recording();
  void read_script();
  void look_after_script();
  void take_segments();
  Result<> start_script();
  void end_script();
  void on_sample(const PerfSample& sample);
  [[nodiscard]] bool is_wanted(const PerfSample& sample) const;
  std::string name_of(const PerfSample& sample, std::size_t index, std::size_t kernel_count);
  void note_problem(std::string text);
  void end_recording(const ToolEnd& end);

  FallbackOptions options_;
  WorkDirectory directory_;  // outlives perf
  EventLoop loop_;
  ProcessStream stream_;  // heard from before the first sample
  FallbackNames names_;
  std::set<pid_t> pids_;
  std::set<pid_t> own_;  // we and our tools
  std::set<pid_t> told_apart_;
  std::string event_;  // for perf's --event
  bool prints_offsets_ = true;
  FallbackRecording result_;
  std::optional<PerfRecording> recording_;
  Watched recording_fds_;
  std::deque<UniqueFd> segments_;
  std::unique_ptr<PerfScript> script_;  // of one segment at a time
  Watched script_fds_;
  Clock::time_point script_heard_;  // when it last printed something
  bool has_perf_ended_ = false;
  std::string problem_;
  bool has_untold_problem_ = false;
  Clock::time_point start_;
  Clock::time_point end_;
  Clock::time_point rolled_;
};

}  // namespace waggle
