// SPDX-License-Identifier: Apache-2.0
// A tool beside a recording, run once for each process of its runtime.  Not for one run:
// tools/tool_recording.h; nor for what a tool is: process_tool.h.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/watched_outputs.h"
#include "base/work_directory.h"
#include "userspace/process/proc_fs.h"
#include "userspace/profile/runtime_merge.h"
#include "userspace/runtime_profilers/needed_tool.h"
#include "userspace/runtime_profilers/notes.h"
#include "userspace/runtime_profilers/process_tool.h"
#include "userspace/runtime_profilers/processes.h"
#include "userspace/runtime_profilers/profiler.h"
#include "userspace/tools/tool_recording.h"

namespace waggle {

class ProcessToolProfiler final : public RuntimeProfiler {
 public:
  // `path`: of the tool; "": where it is found, once it is needed.  One that was given must be that
  // of a program.  Starts nothing.
  static Result<std::unique_ptr<ProcessToolProfiler>> prepare(std::unique_ptr<ProcessTool> tool,
                                                              const std::string& path,
                                                              RuntimeTargets targets,
                                                              RuntimeHooks hooks);
  ProcessToolProfiler(const ProcessToolProfiler&) = delete;
  ProcessToolProfiler& operator=(const ProcessToolProfiler&) = delete;
  ~ProcessToolProfiler() override;

  void select_pid(pid_t pid) override { processes_.select_pid(pid); }
  void start() override;
  void add(pid_t pid) override { processes_.add(pid); }
  [[nodiscard]] int fd() const override { return loop_.fd(); }
  Result<> on_readable() override { return loop_.run_once(std::chrono::milliseconds(0)); }
  void tick() override;
  [[nodiscard]] bool is_profiling() const override;
  std::vector<std::string> take_problems() override { return notes_.take_untold(); }
  void interrupt() override;
  Result<RuntimeReport> finish(const std::stop_token& hurry) override;

 private:
  using Clock = std::chrono::steady_clock;
  using Verdict = RuntimeProcesses::Verdict;

  struct Run {
    ToolRecording recording;
    WatchedOutputs outputs;
    RuntimeStacks result;
    bool has_ended = false;
  };

  ProcessToolProfiler(std::unique_ptr<ProcessTool> tool, NeededTool program, RuntimeTargets targets,
                      RuntimeHooks hooks, EventLoop loop);
  Verdict look_at(pid_t pid, const ProcStat& stat);
  [[nodiscard]] bool is_wanted(pid_t pid, const ProcStat& stat);
  bool make_directory();
  void start_run(pid_t pid);
  void tell_excluded();
  void end_ended();
  void end_run(Run& run);
  void take_stacks(Run& run, const ToolEnd& end);
  void explain(Run& run, const ToolEnd& end, const Error& error);
  void note_missing(Run& run, const MissingStacks& missing);

  std::unique_ptr<ProcessTool> tool_;
  RuntimeHooks hooks_;
  EventLoop loop_;
  RuntimeProcesses processes_;
  RuntimeNotes notes_;
  NeededTool program_;
  std::optional<WorkDirectory> directory_;  // outlives the runs
  std::map<pid_t, std::unique_ptr<Run>> runs_;
  bool has_told_excluded_ = false;
  std::chrono::microseconds cpu_time_{};
  Clock::time_point deadline_;
};

}  // namespace waggle
