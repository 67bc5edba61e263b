// SPDX-License-Identifier: Apache-2.0
// A process that something of ours is put into: who it is, as long as it lives.  Not for what its
// runtime is: async_profiler/jvm.h, linux_perf/node_process.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/process/proc_status.h"

namespace waggle {

struct TargetProcess {
  pid_t pid = 0;
  UniqueFd directory;             // /proc/PID: of this process alone, whoever gets its pid later
  std::uint64_t start_ticks = 0;  // likewise
  ProcStatus status{};

  // In two steps, for most processes are none of the runtime that is looked for.
  [[nodiscard]] Result<> open(pid_t of);  // the directory
  [[nodiscard]] Result<> identify();      // the rest
  // Of this process; it may have ended.
  [[nodiscard]] bool is_alive() const;
  // It has begun a moment ago, and may not be ready.
  [[nodiscard]] bool is_starting() const;
  // Its root directory.
  [[nodiscard]] Result<UniqueFd> open_root() const;
  // A file of /proc/PID, "" where it cannot be read: cmdline, environ.
  [[nodiscard]] std::string read_text(const char* file) const;
  // Whether it handles the signal; false too where it has ended.
  [[nodiscard]] bool catches(int signal) const;
  // Through pidfd where there are any: the number may be another's by now.  `what`: the process in
  // messages.  Errc::not_found: it has ended, or the signal would end it.
  [[nodiscard]] Result<> send_caught(int signal, std::string_view what) const;
};

// The kernel tells a path from our root; below a chroot that is longer than the process' own.
std::string path_in_root_of(const TargetProcess& process, std::string path);

}  // namespace waggle
