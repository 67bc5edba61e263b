// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/marked_processes.h"

namespace waggle {

namespace {

// From its end on: perf's data is read a segment later, or many on a busy host.
constexpr std::uint64_t kKeptNs = 600'000'000'000;

}  // namespace

std::uint64_t MarkedProcesses::start_of(pid_t pid) const {
  const Result<ProcStat> stat = proc_.read_stat(static_cast<std::uint32_t>(pid));
  return stat ? stat->start_ticks : 0;
}

void MarkedProcesses::add(pid_t pid) {
  const std::scoped_lock lock(mutex_);
  marks_[pid] = {.start_ticks = start_of(pid)};
}

bool MarkedProcesses::contains(pid_t pid, std::uint64_t time_ns) const {
  const std::scoped_lock lock(mutex_);
  const auto found = marks_.find(pid);
  return found != marks_.end() && time_ns < found->second.ended_ns.value_or(~std::uint64_t{0});
}

void MarkedProcesses::prune(std::uint64_t now_ns) {
  const std::scoped_lock lock(mutex_);
  for (auto& [pid, mark] : marks_) {
    if (mark.ended_ns) {
      continue;
    }
    const std::uint64_t start = start_of(pid);
    if (start == 0 || start != mark.start_ticks) {
      mark.ended_ns = now_ns;
    }
  }
  std::erase_if(marks_, [now_ns](const auto& entry) {
    return entry.second.ended_ns && now_ns - *entry.second.ended_ns > kKeptNs;
  });
}

}  // namespace waggle
