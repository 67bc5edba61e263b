// SPDX-License-Identifier: Apache-2.0
// Processes that samples are asked for, for as long as samples of them may still be read: a pid is
// another process's one day.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "userspace/process/proc_fs.h"

namespace waggle {

// On any thread.
class MarkedProcesses {
 public:
  explicit MarkedProcesses(ProcFs proc = ProcFs()) : proc_(std::move(proc)) {}

  void add(pid_t pid);
  // time_ns: of the sample, CLOCK_MONOTONIC.
  [[nodiscard]] bool contains(pid_t pid, std::uint64_t time_ns) const;
  // Whether it was the last time that one had the pid.
  [[nodiscard]] bool contains(pid_t pid) const { return contains(pid, 0); }
  // About once a second: looks who has ended.
  void prune(std::uint64_t now_ns);

 private:
  struct Mark {
    std::uint64_t start_ticks = 0;               // ProcStat::start_ticks
    std::optional<std::uint64_t> ended_ns = {};  // or soon after its end
  };

  // 0: it has ended.
  [[nodiscard]] std::uint64_t start_of(pid_t pid) const;

  ProcFs proc_;
  mutable std::mutex mutex_;
  std::unordered_map<pid_t, Mark> marks_;  // guarded by mutex_
};

}  // namespace waggle
