// SPDX-License-Identifier: Apache-2.0
// One recording where the kernel runs no BPF programs: perf samples, as our child, or two of them
// in smart mode.  Reads as recorder.h.  Not for how perf is kept running: tools/perf/session.h; nor
// for what a person asks or sees: cli/record.cpp.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/work_directory.h"
#include "userspace/attach/process_stream.h"
#include "userspace/fallback_names.h"
#include "userspace/process/application.h"
#include "userspace/process/new_processes.h"
#include "userspace/profile/profile.h"
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
};

struct FallbackRecording {
  Profile profile;
  std::string event;          // "cpu-clock"
  std::uint64_t samples = 0;  // that perf wrote, without those of idle CPUs and of our own
  std::uint64_t lost = 0;     // that the kernel says it lost
  // That the kernel held back since they came too often, idle CPUs' too: an estimate.
  std::uint64_t throttled = 0;
  std::uint64_t truncated = 0;
  std::vector<std::pair<std::string, std::string>> tools;  // each perf: "ok" or what happened
  std::vector<std::string> excluded;
  std::chrono::nanoseconds duration{};
  // While no perf sampled, or what it had was lost with it: at most so long.
  std::chrono::nanoseconds paused{};
  std::chrono::microseconds perf_cpu_time{};
  bool is_blind = false;  // no perf ran, or none has told of any sample and it failed
};

// One thread.  Destruction at any point leaves no process and no file.
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
  // With FallbackOptions::counts_threads; "": not known.
  [[nodiscard]] std::string thread_name(pid_t tid) const {
    return std::string(names_.thread_name(tid));
  }
  // A tool of ours: no sample of it counts.
  void add_own(pid_t pid) { own_.insert(pid); }

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
  // Samples that have been read so far.
  [[nodiscard]] std::uint64_t samples() const {
    return walks_.empty() ? 0 : walks_.front()->samples;
  }
  // What went wrong since the last call, one line each.
  std::vector<std::string> take_problems();

  // Ends sampling.  Takes as long as perf needs, at most three seconds.
  Result<> stop();
  // Reads what is left, until seven seconds after stop() began.
  Result<FallbackRecording> finish();

 private:
  using Clock = std::chrono::steady_clock;

  // What one perf tells: there are two in smart mode.
  struct Walk {
    PerfMode mode;  // fp or dwarf
    Profile profile;
    std::uint64_t samples = 0;
    bool has_told = false;                 // of any sample, wanted or not
    std::unique_ptr<PerfSession> session;  // calls on_sample()
  };

  FallbackRecorder(FallbackOptions options, std::optional<WorkDirectory> directory, EventLoop loop,
                   std::optional<ProcessStream> stream);
  Result<> begin_names();
  [[nodiscard]] bool is_blind() const;
  Result<> start_walk(PerfMode mode);
  // perf samples all CPUs, not the processes that it is told of.
  [[nodiscard]] bool is_host_wide() const { return !options_.is_pid_filtered || !cgroups_.empty(); }
  void drain_stream();
  void apply(const ProcessRecord& record);
  void prune_followed();
  std::vector<pid_t> find_targets();
  void on_sample(const PerfSample& sample, Walk& walk);
  [[nodiscard]] bool is_wanted(const PerfSample& sample) const;
  std::string name_of(const PerfSample& sample, std::size_t index, std::size_t kernel_count);
  Result<> wait_for(Clock::time_point deadline, bool (PerfSession::*poll)());
  [[nodiscard]] static std::string state_of(const PerfSession& session);
  void count_by(const Walk& walk);
  void take_smart();
  [[nodiscard]] std::uint64_t count_truncated();

  FallbackOptions options_;
  std::optional<WorkDirectory> directory_;  // outlives perf, which needs one
  EventLoop loop_;
  std::optional<ProcessStream> stream_;  // heard from before the first sample
  FallbackNames names_;
  std::set<pid_t> pids_;
  std::vector<std::string> cgroups_;
  std::set<pid_t> own_;  // we and our tools
  std::set<pid_t> told_apart_;
  std::string event_;  // for perf's --event; "": its default
  bool prints_offsets_ = true;
  bool watches_execs_ = false;
  std::vector<std::uint32_t> execs_;  // pids
  NewProcesses new_processes_;        // in their place without a stream
  FallbackRecording result_;
  std::set<pid_t> followed_;  // of pids_, and with follows_children what they started
  std::size_t followed_limit_ = 1024;
  std::vector<std::unique_ptr<Walk>> walks_;
  std::atomic<bool> is_hurried_ = false;
  Clock::time_point start_;
  Clock::time_point end_;
};

}  // namespace waggle
