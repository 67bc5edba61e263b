// SPDX-License-Identifier: Apache-2.0
// Of the text of /proc/PID/status (proc_pid_status(5)): who a process is, in its own pid namespace
// too, and which signals it handles.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace waggle {

struct ProcStatus {
  std::uint32_t innermost_pid;       // what getpid() gives it: the last number of NSpid
  uid_t effective_uid;               // in the reader's user namespace
  gid_t effective_gid = ~gid_t{0};   // likewise; that: not told
  std::uint64_t caught_signals = 0;  // those it has a handler for: bit N - 1

  [[nodiscard]] bool catches(int signal) const { return (caught_signals >> (signal - 1) & 1) != 0; }
};

// The kernel escapes newlines in the name, so that no process can forge a line.
std::optional<ProcStatus> parse_status(std::string_view text);

}  // namespace waggle
