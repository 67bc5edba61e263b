// SPDX-License-Identifier: Apache-2.0
// Running a tool and reading what it prints, within limits.  Not for long streams, nor for a
// person's own command: held_command.h.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include "base/child_process.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

struct Tool {
  ChildProcess process;
  UniqueFd output;  // its stdout and stderr, non-blocking
};

// `command`: an absolute path and arguments; no shell.  The tool gets a session of its own, stdin
// from /dev/null, no other descriptor, signals at their defaults, of our environment PATH, HOME and
// LANG, and dies with the thread that started it.  The error names the path.
Result<Tool> start_tool(std::span<const std::string> command);

struct ToolLimits {
  std::chrono::milliseconds deadline;
  std::size_t output_bytes;
};

struct ToolRun {
  enum class End { exited, past_deadline, past_output_limit };
  End end;
  int wait_status;     // of waitpid(2); SIGKILL unless it exited
  std::string output;  // output_bytes at most

  [[nodiscard]] bool is_ok() const { return end == End::exited && wait_status == 0; }
};

// Runs it to its end or to a limit, where it and its group are killed.
Result<ToolRun> run_tool(std::span<const std::string> command, const ToolLimits& limits);

}  // namespace waggle
