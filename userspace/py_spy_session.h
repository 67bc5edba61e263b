// SPDX-License-Identifier: Apache-2.0
// py-spy beside a recording: finds the processes with a Python, runs one py-spy for each, and puts
// what they wrote into the recording's profile.  Not for one py-spy: tools/py_spy/recording.h.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/work_directory.h"
#include "userspace/process/proc_fs.h"
#include "userspace/profile/runtime_merge.h"
#include "userspace/runtimes/python/python_process.h"
#include "userspace/tools/py_spy/recording.h"

namespace waggle {

struct PySpySessionOptions {
  std::string path;              // of py-spy; "": where it is found, once it is needed
  PySpyOptions py_spy;           // of each
  bool takes_all = true;         // every Python that is recorded, not only those that are named
  std::vector<pid_t> named;      // taken whatever speaks against it
  bool is_pid_filtered = false;  // as the recording
  bool follows_children = false;
};

// What the recording must know of each process that py-spy is started for.
struct PySpyHooks {
  // Its samples stay apart from now on (Profile::Stack::process).  Returns its exec name.
  std::function<std::string(pid_t)> tell_apart;
  // A child of ours, that is not to be sampled.
  std::function<void(pid_t)> add_own;
  // "" where it is not known.
  std::function<std::string(pid_t pid, pid_t tid)> thread_name;
};

struct PySpyResult {
  Profile profile;
  std::uint64_t added = 0;
  std::string state;                  // for the header's `tools`; "": py-spy had nothing to do
  std::vector<std::string> excluded;  // for the header
  std::chrono::microseconds cpu_time{};
};

// One thread.  Destruction leaves no process, no file, and no process stopped.
class PySpySession {
 public:
  // A path that was given must be that of a program.  Starts nothing.
  static Result<std::unique_ptr<PySpySession>> prepare(const PySpySessionOptions& options,
                                                       PySpyHooks hooks);
  PySpySession(const PySpySession&) = delete;  // handlers hold its address
  PySpySession& operator=(const PySpySession&) = delete;
  ~PySpySession();

  void select_pid(pid_t pid) { selected_.insert(pid); }
  // Once the recording samples: a py-spy for each Python that runs.
  void start();
  // Of a process that was met later.
  void add(pid_t pid) { queue_.push_back(pid); }

  // Readable when on_readable() has work to do.
  [[nodiscard]] int fd() const { return loop_.fd(); }
  Result<> on_readable() { return loop_.run_once(std::chrono::milliseconds(0)); }
  // A few times a second.
  void tick();
  // What went wrong since the last call, one line each; the first of many.
  std::vector<std::string> take_problems();

  // Asks all of them to end, which they do while the recording ends.
  void interrupt();
  // Waits for them, until six seconds after interrupt(), then kills.
  Result<PySpyResult> finish(Profile system);

 private:
  using Clock = std::chrono::steady_clock;

  struct Run {
    PySpyRecording recording;
    int output = -1;  // in loop_; -1: not, or no more
    int errors = -1;
    RuntimeStacks result;
    bool has_ended = false;
  };

  PySpySession(PySpySessionOptions options, PySpyHooks hooks, EventLoop loop);
  void look_around();
  void work_off(std::chrono::milliseconds limit);
  void look_at(pid_t pid);
  [[nodiscard]] bool is_wanted(pid_t pid, const ProcStat& stat);
  bool find_tool();
  void start_run(pid_t pid);
  Result<> watch(Run& run);
  void read(Run& run);
  void forget(Run& run);
  void end_run(Run& run);
  void take_stacks(Run& run, const ToolEnd& end);
  void add_stack(const PySpyStack& stack, Run& run);
  void exclude(const std::string& reason, pid_t pid);
  void note_problem(std::string text);
  [[nodiscard]] std::vector<std::string> excluded_texts() const;

  PySpySessionOptions options_;
  PySpyHooks hooks_;
  EventLoop loop_;
  ProcFs proc_;
  PythonFiles files_;
  std::optional<std::string> tool_;         // once it is found
  std::optional<WorkDirectory> directory_;  // outlives the runs
  std::set<pid_t> selected_;
  std::deque<pid_t> queue_;     // to be looked at
  std::map<pid_t, int> looks_;  // at processes that had no Python yet
  std::set<pid_t> decided_;     // runs, and those left out
  std::map<pid_t, std::unique_ptr<Run>> runs_;
  std::map<std::string, std::vector<pid_t>> excluded_;  // by reason
  std::vector<std::string> problems_;                   // that are not told yet
  std::size_t problem_count_ = 0;
  std::string first_problem_;
  std::chrono::microseconds cpu_time_{};
  Clock::time_point start_;
  Clock::time_point looked_;
  Clock::time_point deadline_;
};

}  // namespace waggle
