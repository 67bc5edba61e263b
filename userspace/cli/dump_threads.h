// SPDX-License-Identifier: Apache-2.0
// For `waggle dump`: the threads of a process as /proc has them, with their kernel stacks.
// Not for their user stacks: dump_stack.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

// Of a thread that waits in the kernel: where it will go on.
struct UserRegisters {
  std::uint64_t ip;
  std::uint64_t sp;
  bool operator==(const UserRegisters&) const = default;
};

struct DumpedThread {
  pid_t tid = 0;
  std::uint32_t innermost_tid = 0;              // as the process sees it; 0: not known
  std::string comm;                             // any bytes
  char state = '?';                             // of proc_pid_stat(5)
  std::optional<UserRegisters> user = {};       // nothing while it runs
  std::vector<std::string> kernel_frames = {};  // names, innermost first; empty while it runs
};

struct DumpedProcess {
  std::string comm;
  bool is_kernel_thread = false;
  std::vector<DumpedThread> threads = {};    // by tid
  std::optional<Error> kernel_problem = {};  // why no kernel stack could be read
};

// Errc::not_found: there is no such process, or it ended meanwhile.
Result<DumpedProcess> read_threads(pid_t pid, const std::string& proc = "/proc");

// Of the text of /proc/PID/task/TID/stack: "[<0>] do_wait+0x5e/0x110" is "do_wait".
std::vector<std::string> parse_kernel_stack(std::string_view text);

// Of the text of /proc/PID/task/TID/syscall: "0 0x3 … 0x7ffc… 0x7fd6…" ends with sp and ip. Nothing
// for "running", and for threads of the kernel.
std::optional<UserRegisters> parse_user_registers(std::string_view text);

// "sleeping" and so on.
std::string_view state_text(char state);

}  // namespace waggle
