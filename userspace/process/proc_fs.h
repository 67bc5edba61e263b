// SPDX-License-Identifier: Apache-2.0
// Reading what the process table needs of a mounted /proc (proc(5)).  A test gives a directory that
// looks like one.  Not for other files of a process.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "userspace/process/proc_maps.h"
#include "userspace/process/proc_status.h"

namespace waggle {

// Of /proc/PID/stat (proc_pid_stat(5)).
struct ProcStat {
  std::string comm;  // of the leader: the exec name, unless it renamed itself
  std::uint32_t parent_pid = 0;
  std::uint32_t thread_count = 0;
  std::uint64_t start_ticks = 0;  // CLOCK_BOOTTIME, in units of kTickNs, rounded down
  bool is_kernel_thread = false;
  char state = '?';  // 'R', 'S', 'T' (stopped) and so on
};

constexpr std::uint64_t kTickNs = 10'000'000;  // USER_HZ is 100 on x86 and arm

// Since it was forked.  `start_ticks`: ProcStat::start_ticks.
std::chrono::nanoseconds age_of(std::uint64_t start_ticks);

struct ProcCgroup {
  ProcStat stat;
  std::string cgroup;  // the text of /proc/PID/cgroup
};

// comm may hold any byte, ')' and newlines too: it ends at the last ')'.
std::optional<ProcStat> parse_stat(std::string_view text);

// Of an open /proc/PID (O_PATH will do).
Result<ProcStat> read_stat_at(int directory);
Result<ProcStatus> read_status_at(int directory);

class ProcFs {
 public:
  explicit ProcFs(std::string root = "/proc") : root_(std::move(root)) {}

  // Ascending.
  [[nodiscard]] Result<std::vector<std::uint32_t>> list_pids() const;
  [[nodiscard]] Result<ProcStat> read_stat(std::uint32_t pid) const;
  // "" where it is gone.
  [[nodiscard]] std::string read_thread_name(std::uint32_t pid, std::uint32_t tid) const;
  // Executable mappings and the stat of the same process: a pid used again in between ends the
  // text.  A process that is exiting has none.
  [[nodiscard]] Result<ProcStat> read_code(std::uint32_t pid, const MapsCallback& callback) const;
  // Both of the same process, likewise.
  [[nodiscard]] Result<ProcCgroup> read_cgroup(std::uint32_t pid) const;

 private:
  std::string root_;
};

}  // namespace waggle
