// SPDX-License-Identifier: Apache-2.0
// Starting a tool, and running one whose output is small.  Not for one that runs long
// (supervised_tool.h), nor for a person's own command: held_command.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/child_process.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

struct Tool {
  ChildProcess process;
  UniqueFd output;  // its stdout, non-blocking; its stderr too unless that is apart
  UniqueFd errors;  // its stderr, non-blocking, where it is apart
};

struct ToolOptions {
  std::vector<std::string> variables;  // "NAME=value", on top of PATH, HOME and LANG
  int input_fd = -1;                   // its stdin, ours to keep; -1: /dev/null
  bool has_errors_apart = false;       // stderr in a pipe of its own
  std::uint64_t file_bytes = 0;        // the longest file it may write; 0: as we may
  int nice = 0;                        // on top of ours, as far as we may
};

// `command`: an absolute path and arguments; no shell.  The tool gets a session of its own, no
// other descriptor, signals at their defaults, of our environment PATH, HOME and LANG, leaves no
// core file, and dies with the thread that started it.  The error names the path.
Result<Tool> start_tool(std::span<const std::string> command, const ToolOptions& options = {});

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
