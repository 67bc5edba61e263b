// SPDX-License-Identifier: Apache-2.0
// py-spy beside a recording: one for each process with a Python.  Not for one py-spy:
// tools/py_spy/recording.h.
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
#include "base/work_directory.h"
#include "userspace/process/proc_fs.h"
#include "userspace/profile/runtime_merge.h"
#include "userspace/runtime_profilers/notes.h"
#include "userspace/runtime_profilers/processes.h"
#include "userspace/runtime_profilers/profiler.h"
#include "userspace/runtimes/python/python_process.h"
#include "userspace/tools/py_spy/recording.h"

namespace waggle {

struct PySpySessionOptions {
  std::string path;     // of py-spy; "": where it is found, once it is needed
  PySpyOptions py_spy;  // of each
  RuntimeTargets targets;
};

class PySpySession final : public RuntimeProfiler {
 public:
  // A path that was given must be that of a program.  Starts nothing.
  static Result<std::unique_ptr<PySpySession>> prepare(const PySpySessionOptions& options,
                                                       RuntimeHooks hooks);
  PySpySession(const PySpySession&) = delete;
  PySpySession& operator=(const PySpySession&) = delete;
  ~PySpySession() override;

  void select_pid(pid_t pid) override { processes_.select_pid(pid); }
  void start() override;
  // Of a process that was met later.
  void add(pid_t pid) { processes_.add(pid); }
  [[nodiscard]] int fd() const override { return loop_.fd(); }
  Result<> on_readable() override { return loop_.run_once(std::chrono::milliseconds(0)); }
  void tick() override;
  std::vector<std::string> take_problems() override { return notes_.take_untold(); }
  void interrupt() override;
  Result<RuntimeReport> finish() override;

 private:
  using Clock = std::chrono::steady_clock;
  using Verdict = RuntimeProcesses::Verdict;

  struct Run {
    PySpyRecording recording;
    int output = -1;  // in loop_; -1: not, or no more
    int errors = -1;
    RuntimeStacks result;
    bool has_ended = false;
  };

  PySpySession(PySpySessionOptions options, RuntimeHooks hooks, EventLoop loop);
  Verdict look_at(pid_t pid, const ProcStat& stat);
  [[nodiscard]] bool is_wanted(pid_t pid, const ProcStat& stat);
  bool find_tool();
  void start_run(pid_t pid);
  Result<> watch(Run& run);
  void read(Run& run);
  void forget(Run& run);
  void end_ended();
  void end_run(Run& run);
  void take_stacks(Run& run, const ToolEnd& end);
  void add_stack(const PySpyStack& stack, Run& run);

  PySpySessionOptions options_;
  RuntimeHooks hooks_;
  EventLoop loop_;
  ProcFs proc_;
  PythonFiles files_;
  RuntimeProcesses processes_;
  RuntimeNotes notes_{"py-spy"};
  std::optional<std::string> tool_;         // once it is found; "": it is not there
  std::optional<WorkDirectory> directory_;  // outlives the runs
  std::map<pid_t, std::unique_ptr<Run>> runs_;
  std::chrono::microseconds cpu_time_{};
  Clock::time_point deadline_;
};

}  // namespace waggle
