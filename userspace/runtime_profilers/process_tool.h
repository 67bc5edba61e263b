// SPDX-License-Identifier: Apache-2.0
// What tools differ in that are run once for each process of a runtime.  What they share, and how
// many run at once: process_tool_profiler.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/profile/profile.h"
#include "userspace/tools/tool_recording.h"

namespace waggle {

// Of a process without stacks.
struct MissingStacks {
  std::string frame;        // stands in front of its native frames; "": nothing does
  bool is_problem = false;  // the tool's, else it is only told
};

// One thread.
class ProcessTool {
 public:
  ProcessTool() = default;
  ProcessTool(const ProcessTool&) = delete;
  ProcessTool& operator=(const ProcessTool&) = delete;
  virtual ~ProcessTool() = default;

  // As external_tools() has it.
  [[nodiscard]] virtual std::string_view name() const = 0;
  // What a profile lacks without it: "the functions of Python".
  [[nodiscard]] virtual std::string_view gives() const = 0;
  // What it samples at, and what the recording does: it may have a highest rate.
  [[nodiscard]] virtual int rate_hz() const = 0;
  [[nodiscard]] virtual int asked_hz() const = 0;

  [[nodiscard]] virtual bool has_runtime(pid_t pid) = 0;
  // Why a process that has one and was not named is left out; "": it is not.
  [[nodiscard]] virtual std::string why_not(pid_t) { return ""; }
  // Whether those are left out that have just been started.
  [[nodiscard]] virtual bool leaves_young() const { return false; }

  // On a process that is looked into from now on.  `directory`: private, for what it writes.
  virtual ToolCall call(const std::string& program, pid_t target, const std::string& directory) = 0;
  // Adds what it has written of that process, and returns how many parts of it could not be read.
  // An error is in few words what went wrong.
  virtual Result<std::uint64_t> read_stacks(UniqueFd file, pid_t target, Profile& stacks) = 0;

  // The process ended, and that is why there are none.
  [[nodiscard]] virtual MissingStacks when_ended() const {
    return {.frame = "[Profiling error: process went down during profiling]", .is_problem = true};
  }
  // The tool found nothing in a process that has ended.
  [[nodiscard]] virtual MissingStacks when_empty() const { return {}; }
};

}  // namespace waggle
