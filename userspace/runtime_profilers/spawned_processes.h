// SPDX-License-Identifier: Apache-2.0
// Processes that begin while a recording runs, until they are old enough for the profiler of a
// runtime (--profile-spawned-processes).  Not for who they are: processes.h shows them on.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "userspace/process/proc_fs.h"

namespace waggle {

// One thread.
class SpawnedProcesses {
 public:
  using Clock = std::chrono::steady_clock;
  // Most are gone in a moment: 2,000 execs a second for half a minute.
  static constexpr std::size_t kMaxWaiting = 65536;

  // `youngest`: gProfiler's --min-profiling-duration.
  explicit SpawnedProcesses(std::chrono::seconds youngest) : youngest_(youngest) {}

  // One that has begun a program.
  void add(pid_t pid, Clock::time_point now);
  // Those that are old enough: each a few times, further and further apart, for its runtime may
  // not be there yet.  Never children of ours.
  std::vector<pid_t> take_due(Clock::time_point now);

  // That were too many.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Waiting {
    Clock::time_point due;
    int looks = 0;
  };

  bool look_at(pid_t pid, Waiting& waiting, Clock::time_point now, std::vector<pid_t>& due) const;

  std::chrono::seconds youngest_;
  ProcFs proc_;
  std::map<pid_t, Waiting> waiting_;
  std::uint64_t dropped_ = 0;
};

}  // namespace waggle
