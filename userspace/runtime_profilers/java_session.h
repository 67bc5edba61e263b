// SPDX-License-Identifier: Apache-2.0
// async-profiler beside a recording: in each Java virtual machine.  Not for one of them:
// tools/async_profiler/recording.h.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/process/proc_fs.h"
#include "userspace/process/process_exit.h"
#include "userspace/process/shared_library.h"
#include "userspace/profile/runtime_merge.h"
#include "userspace/runtime_profilers/java_safety.h"
#include "userspace/runtime_profilers/needed_tool.h"
#include "userspace/runtime_profilers/notes.h"
#include "userspace/runtime_profilers/processes.h"
#include "userspace/runtime_profilers/profiler.h"
#include "userspace/tools/async_profiler/crash_report.h"
#include "userspace/tools/async_profiler/library.h"
#include "userspace/tools/async_profiler/recording.h"
#include "userspace/tools/async_profiler/safemode.h"

namespace waggle {

struct JavaSessionOptions {
  std::string path;                     // of the library; "": where it is found, once it is needed
  AsyncProfilerOptions async_profiler;  // of each; the timeout is this session's
  std::optional<std::chrono::seconds> duration;  // none: until it is told to end
  std::chrono::seconds patience{30};             // with each answer of a JVM
  std::string jattach = {};                      // a program that attaches; "": we do
  JavaSafemode safemode = {};
  bool tells_whole_crash = false;  // the report of a JVM that crashed, not an excerpt
  bool checks_version = true;
  bool has_native_frames = true;  // another profiler has them where this one tells nothing
  RuntimeTargets targets;
};

class JavaSession final : public RuntimeProfiler {
 public:
  // Paths that were given must be those of the library and of a program.  Starts nothing.
  static Result<std::unique_ptr<JavaSession>> prepare(const JavaSessionOptions& options,
                                                      RuntimeHooks hooks);
  JavaSession(const JavaSession&) = delete;
  JavaSession& operator=(const JavaSession&) = delete;
  ~JavaSession() override = default;

  void select_pid(pid_t pid) override { processes_.select_pid(pid); }
  void add(pid_t pid) override { processes_.add(pid); }
  void start() override;
  [[nodiscard]] int fd() const override { return timer_.get(); }
  Result<> on_readable() override;
  void tick() override;
  [[nodiscard]] bool is_profiling() const override;
  std::vector<std::string> take_problems() override { return notes_.take_untold(); }
  void interrupt() override;
  Result<RuntimeReport> finish(const std::stop_token& hurry) override;

 private:
  using Clock = std::chrono::steady_clock;
  using Verdict = RuntimeProcesses::Verdict;

  struct Run {
    pid_t pid;
    bool has_own_namespace;                             // of pids
    std::unique_ptr<AsyncProfilerRecording> recording;  // nullptr: over
    std::optional<CrashReport> crash;
    std::optional<ProcessExit> exit;
    bool is_gone;
    bool is_start_noted;  // what there is to tell of it
    RuntimeStacks result;
  };

  JavaSession(JavaSessionOptions options, NeededTool library, RuntimeHooks hooks, UniqueFd timer);
  Verdict look_at(pid_t pid);
  Run& add_run(pid_t pid);
  void start_run(Jvm jvm);
  [[nodiscard]] std::string_view otherwise() const;
  bool find_library();
  void note_other_profiler(const Jvm& jvm, const Run& run);
  void skip(Run& run, const std::string& reason);
  void fail_run(Run& run, const std::string& reason);
  void advance();
  void note_start(Run& run);
  void end_run(Run& run);
  void find_crash(const Run& run);
  void find_signal(Run& run);
  void stop_all();
  void add_stack(const AsyncProfilerStack& stack, Run& run);
  void set_timer();

  JavaSessionOptions options_;
  RuntimeHooks hooks_;
  UniqueFd timer_;  // runs while a JVM owes an answer
  bool is_timer_on_ = false;
  RuntimeProcesses processes_;
  RuntimeNotes notes_{"async-profiler"};
  NeededTool library_;
  std::map<pid_t, std::string> starting_;  // not attached to yet, and why
  std::map<pid_t, std::unique_ptr<Run>> runs_;
  std::optional<Result<SharedLibrary>> library_facts_;  // once it was looked at
  JavaSafety safety_;
  std::set<std::string> told_;      // what is told of the first JVM alone
  std::vector<pid_t> with_timers_;  // JVMs that the kernel refuses perf events to
  std::chrono::microseconds cpu_time_{};
  bool is_interrupted_ = false;
  Clock::time_point deadline_;
};

}  // namespace waggle
