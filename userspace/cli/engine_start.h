// SPDX-License-Identifier: Apache-2.0
// From options to an engine that is ready to start, whatever the verb.  Not for running it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
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
  std::string says;                   // what samples, and why; "": the warning does
  std::string warning;                // what it does without; "": nothing
  std::optional<Error> refusal;       // of the system's profiler, that it goes on without
};
// Of engines that follow one another.
struct EngineSequence {
  std::shared_ptr<RuntimeTurns> turns = std::make_shared<RuntimeTurns>();
  // Of perf, which is not asked again until then: one that hangs takes seconds each time.
  std::optional<Error> refusal;
  std::chrono::steady_clock::time_point asked_again;
};
enum class EngineUse {
  recording,  // one
  sessions,   // without end, where the engine can; each with profilers of runtimes of its own
  looks,      // as sessions, but too short for those
};
// What the options ask for and the host allows: BPF, perf, or nothing but profilers of runtimes:
// with --mode allocation, above --skip-system-profilers-above, and where perf cannot be used.
Result<ChosenEngine> prepare_engine(const RecordOptions& options, int frequency_hz, EngineUse use,
                                    EngineSequence& sequence);

// The processes of `pids`, which may be threads, as perf has it; those that are gone are logged and
// left out.  Errc::not_found when none is left of some.
Result<std::vector<pid_t>> find_processes(std::span<const pid_t> pids);

}  // namespace waggle
