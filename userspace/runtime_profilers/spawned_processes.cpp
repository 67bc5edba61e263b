// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/spawned_processes.h"

#include <unistd.h>

#include <iterator>

namespace waggle {

namespace {

// The pauses are 0.1, 0.2, 0.4, ... seconds: 6.3 in all.
constexpr std::chrono::milliseconds kFirstPause(100);
constexpr int kMaxLooks = 7;

}  // namespace

void SpawnedProcesses::add(pid_t pid, Clock::time_point now) {
  if (waiting_.size() >= kMaxWaiting && !waiting_.contains(pid)) {
    ++dropped_;
    return;
  }
  waiting_[pid] = {.due = now, .looks = 0};
}

std::vector<pid_t> SpawnedProcesses::take_due(Clock::time_point now) {
  std::vector<pid_t> due;
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    const bool is_over = entry->second.due <= now && look_at(entry->first, entry->second, now, due);
    entry = is_over ? waiting_.erase(entry) : std::next(entry);
  }
  return due;
}

// True: it is not to be looked at again.
bool SpawnedProcesses::look_at(pid_t pid, Waiting& waiting, Clock::time_point now,
                               std::vector<pid_t>& due) const {
  const auto stat = proc_.read_stat(static_cast<std::uint32_t>(pid));
  const bool is_of_ours =
      pid == ::getpid() || (stat && static_cast<pid_t>(stat->parent_pid) == ::getpid());
  if (!stat || stat->is_kernel_thread || is_of_ours) {
    return true;
  }
  if (const auto age = age_of(stat->start_ticks); age < youngest_) {
    waiting.due = now + std::chrono::ceil<Clock::duration>(youngest_ - age);
    return false;
  }
  due.push_back(pid);
  waiting.due = now + kFirstPause * (1 << waiting.looks);
  return ++waiting.looks == kMaxLooks;
}

}  // namespace waggle
