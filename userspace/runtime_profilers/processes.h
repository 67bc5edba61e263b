// SPDX-License-Identifier: Apache-2.0
// The processes of a recording, as a runtime's profiler meets them: each is shown to it until it
// has decided.  Not for which it takes: that is the profiler's own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "userspace/process/proc_fs.h"

namespace waggle {

struct RuntimeTargets {
  bool takes_all = true;         // what is recorded, not only those that are named
  std::vector<pid_t> named;      // shown whatever speaks against it
  bool is_pid_filtered = false;  // as the recording
  bool follows_children = false;
  std::chrono::seconds youngest{10};  // gProfiler's --min-profiling-duration
  std::size_t limit = 0;              // of one profiler, the busiest first; 0: none
  // For how long start() may look at what runs; the rest is looked at by the way.
  std::chrono::milliseconds first_look{1000};
  // Whether a process is recorded where that is more than the above; nothing: all are.
  std::function<bool(pid_t)> is_recorded = {};
};

// One thread.
class RuntimeProcesses {
 public:
  enum class Verdict {
    not_yet,  // it may still become one: a few looks more
    decided,
  };
  // Never of waggle itself, of its tools or of a kernel thread.
  using Look = std::function<Verdict(pid_t pid, const ProcStat& stat)>;

  RuntimeProcesses(RuntimeTargets targets, Look look)
      : targets_(std::move(targets)), look_(std::move(look)) {}

  void select_pid(pid_t pid) { selected_.insert(pid); }
  // Looks at what runs; with a limit, once it is known who is busy.
  void start();
  // Of a process that was met later.
  void add(pid_t pid) { queue_.push_back(pid); }
  // A few times a second: at what was selected and has no runtime yet, and at its children.
  void tick();
  // Whether all that ran at the start was looked at.
  [[nodiscard]] bool has_looked() const { return !is_ordering() && queue_.empty(); }

  [[nodiscard]] bool is_named(pid_t pid) const;
  // Those that were named in which no runtime was found, or that do not exist.
  [[nodiscard]] std::vector<pid_t> named_in_vain() const;
  // As gProfiler's --min-profiling-duration has it; never where the recording is of pids.
  [[nodiscard]] bool is_too_young(const ProcStat& stat) const;
  [[nodiscard]] std::chrono::seconds youngest() const { return targets_.youngest; }
  // Whether one more would be too many.
  [[nodiscard]] bool is_limit_reached(std::size_t profiled) const {
    return targets_.limit != 0 && profiled >= targets_.limit;
  }
  [[nodiscard]] std::size_t limit() const { return targets_.limit; }
  // Whether there is any that was decided.
  [[nodiscard]] bool has_met_any() const { return !decided_.empty(); }

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] bool is_ordering() const { return !used_.empty(); }
  void begin_order();
  void order_by_cpu();
  void look_around();
  void work_off(std::chrono::milliseconds limit);
  void look_at(pid_t pid);
  [[nodiscard]] bool is_tool(pid_t pid, const ProcStat& stat) const;

  RuntimeTargets targets_;
  Look look_;
  ProcFs proc_;
  std::set<pid_t> selected_;
  std::deque<pid_t> queue_;              // to be looked at
  std::map<pid_t, std::uint64_t> used_;  // ticks of CPU up to the start, while their order waits
  std::map<pid_t, int> looks_;           // at those that are not decided
  std::set<pid_t> decided_;
  Clock::time_point start_;
  Clock::time_point looked_;
};

}  // namespace waggle
