// SPDX-License-Identifier: Apache-2.0
// One recording where the kernel runs no BPF programs: perf samples, as our child, or two of them
// in smart mode.  Sessions can follow one another in it.  Reads as recorder.h.  Not for how perf is
// kept running: tools/perf/session.h; nor for what a person asks or sees: cli/record.cpp.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/work_directory.h"
#include "userspace/attach/process_stream.h"
#include "userspace/fallback_names.h"
#include "userspace/fallback_recording.h"
#include "userspace/process/application.h"
#include "userspace/process/marked_processes.h"
#include "userspace/process/new_processes.h"
#include "userspace/profile/runtime_merge.h"
#include "userspace/tools/perf/mode.h"
#include "userspace/tools/perf/session.h"

namespace waggle {

struct FallbackOptions {
  std::string perf;  // path of the program; "": nothing is sampled
  int frequency_hz = 99;
  PerfMode mode = PerfMode::fp;
  int dwarf_stack_bytes = 8192;
  bool is_pid_filtered = false;
  bool follows_children = false;
  bool counts_threads = false;
  bool shows_files = false;         // of native functions, behind their names
  bool restarts_large_perf = true;  // that has too much memory
};

// Destruction at any point leaves no process and no file.  One thread, until stop() has returned;
// then that of wait() and finish().
class FallbackRecorder {
 public:
  // Finds the event that samples here; takes half a second.  Errc::unsupported when there is none.
  static Result<std::unique_ptr<FallbackRecorder>> prepare(const FallbackOptions& options);
  // Without perf, for the profilers of runtimes that ask it for names.  What the kernel tells of
  // processes is heard where that is allowed, else each is looked at when it is asked for.
  static Result<std::unique_ptr<FallbackRecorder>> prepare_blind(FallbackOptions options);
  FallbackRecorder(const FallbackRecorder&) = delete;  // handlers hold its address
  FallbackRecorder& operator=(const FallbackRecorder&) = delete;
  ~FallbackRecorder() = default;

  void select_pid(pid_t pid);
  // As PerfRecordOptions::cgroups.  With processes too: those of them that are in one.
  void select_cgroups(std::vector<std::string> cgroups) { cgroups_ = std::move(cgroups); }
  // Returns once perf samples.
  Result<> start();
  // After a start() that failed: as prepare_blind().
  void go_on_blind();
  // Samples of the process that are read from now on stay apart in the profile
  // (Profile::Stack::process).  Returns what is known of it, without stacks.
  RuntimeStacks tell_apart(pid_t pid);
  // With FallbackOptions::counts_threads; "": not known.  On any thread.
  [[nodiscard]] std::string thread_name(pid_t tid) const { return names_.thread_name(tid); }
  // A tool of ours: no sample of it counts.  On any thread.
  void add_own(pid_t pid) { own_.add(pid); }

  // From now on take_execs() tells who has begun a program since its last call.
  void watch_execs();
  std::vector<std::uint32_t> take_execs();

  // Containers that were not seen before, since the last call.
  std::vector<ContainerRef> take_new_containers() { return names_.take_new_containers(); }

  // As ProcessTable's.
  void tell_applications(ApplicationSink sink) { names_.tell_applications(std::move(sink)); }

  // Readable when on_readable() has work to do.
  [[nodiscard]] int fd() const { return loop_.fd(); }
  Result<> on_readable() { return loop_.run_once(std::chrono::milliseconds(0)); }
  // A few times a second: segments, the state of perf.
  Result<> tick();
  // About once a second.
  Result<> housekeep();

  // All that is sampled has ended.
  [[nodiscard]] bool is_over() const;
  // The same, where perf does not tell.
  [[nodiscard]] bool is_over_without_perf() const;
  // perf does not stay alive here, as take_problems() tells.
  [[nodiscard]] bool is_given_up() const;
  // On any thread: what is still to be read of perf is left, and told as perf's state.
  void hurry() { is_hurried_ = true; }
  // Samples that have been read so far, of all sessions.  On any thread.
  [[nodiscard]] std::uint64_t samples() const { return samples_; }
  // What went wrong since the last call, one line each.
  std::vector<std::string> take_problems();

  // Ends a session and begins the next: what was sampled before now is of the one, the rest of the
  // other.  Followed by stop() and finish() for the last one.
  std::future<FallbackRecording> cut();
  // For a session that was cut, seven seconds at most.  On any thread, once.
  static Result<FallbackRecording> wait(const std::weak_ptr<FallbackRecorder>& recorder,
                                        std::future<FallbackRecording> ended);

  // Of the time that perf has for its end in stop().
  void limit_stop(std::chrono::milliseconds time) { stop_time_ = time; }
  // Ends sampling.  Takes as long as perf needs, at most three seconds: what it has written by then
  // is kept.
  Result<> stop();
  // Reads what is left, until seven seconds after stop() began.
  Result<FallbackRecording> finish();

 private:
  using Clock = std::chrono::steady_clock;

  // One perf: there are two in smart mode.
  struct Walk {
    PerfMode mode;                              // fp or dwarf
    std::deque<PerfWalk> sessions = {};         // one of `ended_` each, then the one that is on
    std::unique_ptr<PerfSession> session = {};  // calls on_sample()
  };
  // A session of which data is still to be read.
  struct Ended {
    Clock::time_point start;
    Clock::time_point end;
    Clock::time_point deadline;
    std::promise<FallbackRecording> recording;
  };

  FallbackRecorder(FallbackOptions options, std::optional<WorkDirectory> directory, EventLoop loop,
                   std::optional<ProcessStream> stream);
  Result<> begin_names();
  Result<> start_walk(PerfMode mode);
  // perf samples all CPUs, not the processes that it is told of.
  [[nodiscard]] bool is_host_wide() const { return !options_.is_pid_filtered || !cgroups_.empty(); }
  void drain_stream();
  void apply(const ProcessRecord& record);
  void prune_followed();
  std::vector<pid_t> find_targets();
  void on_sample(const PerfSample& sample, Walk& walk);
  PerfWalk& session_of(const PerfSample& sample, Walk& walk);
  [[nodiscard]] bool is_wanted(const PerfSample& sample) const;
  std::string name_of(const PerfSample& sample, std::size_t index, std::size_t kernel_count);
  Result<> wait_for(Clock::time_point deadline, bool (PerfSession::*poll)());
  Result<> read_on();
  [[nodiscard]] bool has_read_until(Clock::time_point time) const;
  void end_whole();
  FallbackRecording take_session(Clock::time_point start, Clock::time_point end,
                                 Clock::time_point account_end);

  FallbackOptions options_;
  std::optional<WorkDirectory> directory_;  // outlives perf, which needs one
  EventLoop loop_;
  std::optional<ProcessStream> stream_;  // heard from before the first sample
  FallbackNames names_;
  std::set<pid_t> pids_;
  std::vector<std::string> cgroups_;
  MarkedProcesses own_;  // we and our tools
  MarkedProcesses told_apart_;
  std::string event_;  // for perf's --event; "": its default
  bool prints_offsets_ = true;
  bool has_bpf_events_ = false;
  bool watches_execs_ = false;
  std::vector<std::uint32_t> execs_;  // pids
  NewProcesses new_processes_;        // in their place without a stream
  std::string event_name_;
  std::set<pid_t> followed_;  // of pids_, and with follows_children what they started
  std::size_t followed_limit_ = 1024;
  std::vector<std::unique_ptr<Walk>> walks_;
  std::deque<Ended> ended_;           // oldest first
  std::uint64_t whole_until_ns_ = 0;  // of sessions that are not in `ended_` any more
  std::atomic<std::uint64_t> samples_ = 0;
  std::atomic<bool> is_hurried_ = false;
  std::atomic<bool> has_stopped_ = false;
  std::vector<std::string> problems_;  // until it stopped
  std::chrono::milliseconds stop_time_{3000};
  Clock::time_point start_;  // of the session
  Clock::time_point end_;
};

}  // namespace waggle
