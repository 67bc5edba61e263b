// SPDX-License-Identifier: Apache-2.0
// phpspy beside a recording: one for all processes of PHP, as it finds them by pgrep.  Not for what
// it prints: tools/phpspy.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/supervised_tool.h"
#include "base/watched_outputs.h"
#include "userspace/process/proc_fs.h"
#include "userspace/profile/runtime_merge.h"
#include "userspace/runtime_profilers/needed_tool.h"
#include "userspace/runtime_profilers/notes.h"
#include "userspace/runtime_profilers/processes.h"
#include "userspace/runtime_profilers/profiler.h"
#include "userspace/runtimes/runtime_files.h"
#include "userspace/tools/phpspy/output_parser.h"

namespace waggle {

struct PhpspyOptions {
  std::string path;  // "": where it is found
  std::string filter;
  int frequency_hz;
  RuntimeTargets targets;
};

class Phpspy final : public RuntimeProfiler {
 public:
  // A path that was given must be that of a program.  Starts nothing.
  static Result<std::unique_ptr<Phpspy>> prepare(PhpspyOptions options, RuntimeHooks hooks);
  Phpspy(const Phpspy&) = delete;
  Phpspy& operator=(const Phpspy&) = delete;
  ~Phpspy() override = default;

  void select_pid(pid_t pid) override { processes_.select_pid(pid); }
  void add(pid_t) override {}  // it looks for them itself
  void start() override;
  [[nodiscard]] int fd() const override { return loop_.fd(); }
  Result<> on_readable() override { return loop_.run_once(std::chrono::milliseconds(0)); }
  void tick() override;
  [[nodiscard]] bool is_profiling() const override { return tool_.has_value(); }
  std::vector<std::string> take_problems() override { return notes_.take_untold(); }
  void interrupt() override;
  Result<RuntimeReport> finish(const std::stop_token& hurry) override;

 private:
  using Clock = std::chrono::steady_clock;
  using Verdict = RuntimeProcesses::Verdict;

  Phpspy(PhpspyOptions options, NeededTool program, RuntimeHooks hooks, EventLoop loop);
  Verdict look_at(pid_t pid);
  Result<> run();
  void end();
  void take(const PhpspyStack& stack);

  PhpspyOptions options_;
  RuntimeHooks hooks_;
  EventLoop loop_;
  RuntimeFiles files_;
  RuntimeProcesses processes_;
  RuntimeNotes notes_{"phpspy"};
  NeededTool program_;
  std::map<pid_t, RuntimeStacks> stacks_;  // of the processes of the recording
  std::set<pid_t> met_;                    // in its output, and not in stacks_
  std::size_t name_bytes_ = 0;             // of all stacks_
  PhpspyOutputParser parser_;
  std::optional<SupervisedTool> tool_;  // while it runs
  WatchedOutputs outputs_;
  bool is_interrupted_ = false;
  bool has_run_ = false;
  std::chrono::microseconds cpu_time_{};
  Clock::time_point deadline_;
};

}  // namespace waggle
