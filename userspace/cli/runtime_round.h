// SPDX-License-Identifier: Apache-2.0
// The profilers of runtimes that run beside one session, together.  Not for what each does:
// runtime_profilers/; nor for what becomes of their stacks: record_runtimes.cpp.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_options.h"
#include "userspace/profile/runtime_merge.h"
#include "userspace/runtime_profilers/node_attachments.h"
#include "userspace/runtime_profilers/process_tool_profiler.h"
#include "userspace/runtime_profilers/profiler.h"
#include "userspace/runtime_profilers/turns.h"
#include "userspace/select/selection.h"

namespace waggle {

struct RoundSettings {
  int frequency_hz = 0;
  bool is_pid_filtered = false;
  // Of what the engine's filters choose; nullptr: everything.  May be filled until start().
  std::shared_ptr<const Selection> selection;
  // For how long a profiler may keep the session waiting at its start.
  std::chrono::milliseconds first_look{1000};
  std::shared_ptr<NodeAttachments> nodes = nullptr;  // nullptr: none is attached to
};

struct RoundReport {
  std::vector<RuntimeStacks> stacks;
  std::vector<std::pair<std::string, std::string>> tools;  // those that had something to do
  std::vector<std::string> counted_by;                     // of `stacks`: the tools' names
  std::vector<std::string> excluded;
  std::vector<std::string> problems;  // as take_problems()
  std::chrono::microseconds cpu_time{};
};

// Those that the options ask for beside perf, and whose tools are here: their names.
std::vector<std::string> find_usable_profilers(const RecordOptions& options);

// One thread at a time.  Destruction leaves nothing behind.
class RuntimeRound {
 public:
  // Without any.
  RuntimeRound() = default;
  // Those that the options ask for; starts nothing.  `engine` outlives it, but for finish().
  static Result<std::unique_ptr<RuntimeRound>> prepare(const RecordOptions& options,
                                                       const RoundSettings& settings,
                                                       RecordEngine& engine);

  void select_pid(pid_t pid);
  // A process that was met while it runs.
  void add(pid_t pid);
  // A Python that the engine leaves to others.  Whether there are any: takes_left_python().
  void add_left_python(pid_t pid);
  [[nodiscard]] bool takes_left_python() const { return left_to_ != nullptr; }

  // Before the engine samples, if it begins with this session.
  void prepare_start();
  // Once the engine samples.  They begin when it is their turn.
  void start(RuntimeTurns& turns);
  [[nodiscard]] std::vector<int> fds() const;
  Result<> on_readable();
  void tick();
  // Whether stacks of any process are to come.
  [[nodiscard]] bool is_profiling() const;
  std::vector<std::string> take_problems();

  // As RuntimeProfiler has them; after interrupt() none begins.
  void interrupt();
  Result<RoundReport> finish(const std::stop_token& hurry);

 private:
  void begin();
  void advance();
  static void take_stacks(RuntimeReport& from, RoundReport& to);

  RuntimeTurns* turns_ = nullptr;      // from start() on, until it is its turn
  std::unique_ptr<RuntimeTurn> turn_;  // given back once the profilers are gone
  std::vector<std::unique_ptr<RuntimeProfiler>> profilers_;
  ProcessToolProfiler* left_to_ = nullptr;  // one of them; nullptr: none
  bool is_interrupted_ = false;
  UniqueFd timer_;  // runs at first: ticks are seconds apart, and processes are looked at in slices
  std::chrono::steady_clock::time_point begun_;
};

}  // namespace waggle
