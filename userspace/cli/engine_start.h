// SPDX-License-Identifier: Apache-2.0
// From options to an engine that is ready to start, whatever the verb.  Not for running it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "userspace/cli/engine_choice.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_options.h"
#include "userspace/runtime_profilers/turns.h"

namespace waggle {

// The frequency that was asked for, or the kernel's limit, which is for the whole host: asking for
// more fails.  Logged then.  0 with --mode allocation: its counts are no time.
Result<int> allowed_frequency(const RecordOptions& options);

struct ChosenEngine {
  EngineChoice choice;
  std::unique_ptr<RecordEngine> engine;
  std::vector<std::string> left_out;  // by a limit, for the header
  std::string warning;                // what it does without; "": nothing
};
enum class EngineUse {
  recording,  // one
  sessions,   // without end, where the engine can; each with profilers of runtimes of its own
  looks,      // as sessions, but too short for those
};
// What the options ask for and the host allows: BPF, perf, or with --mode allocation and above
// --skip-system-profilers-above nothing but profilers of runtimes.  `turns`: of the engines that
// follow one another.
Result<ChosenEngine> prepare_engine(
    const RecordOptions& options, int frequency_hz, EngineUse use,
    std::shared_ptr<RuntimeTurns> turns = std::make_shared<RuntimeTurns>());

// The processes of `pids`, which may be threads, as perf has it; those that are gone are logged and
// left out.  Errc::not_found when none is left of some.
Result<std::vector<pid_t>> find_processes(std::span<const pid_t> pids);

}  // namespace waggle
