// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/processes.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <string_view>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kLaterLook(20);
// Of a process that was just started, or of what it starts.
constexpr milliseconds kLookInterval(200);
constexpr milliseconds kLaterInterval(1000);
constexpr seconds kEarly(2);
constexpr int kMaxLooks = 30;
constexpr milliseconds kWindow(200);  // twenty ticks

// Of all threads, user's and system's; 0 when it is gone.
std::uint64_t read_cpu_ticks(pid_t pid) {
  constexpr std::size_t kMaxBytes = 4096;
  constexpr std::size_t kUser = 11;  // counted from the state, which follows the name
  constexpr std::size_t kSystem = 12;
  const auto text = read_file(fmt::format("/proc/{}/stat", pid), kMaxBytes);
  const std::size_t name_end = text ? text->rfind(") ") : std::string::npos;
  if (name_end == std::string::npos) {
    return 0;
  }
  const auto fields = split(std::string_view(*text).substr(name_end + 2), ' ');
  return fields.size() <= kSystem ? 0
                                  : parse_number<std::uint64_t>(fields[kUser]).value_or(0) +
                                        parse_number<std::uint64_t>(fields[kSystem]).value_or(0);
}

}  // namespace

void RuntimeProcesses::start() {
  start_ = Clock::now();
  queue_.insert(queue_.end(), targets_.named.begin(), targets_.named.end());
  if (targets_.takes_all && !targets_.is_pid_filtered) {
    if (const auto pids = proc_.list_pids()) {
      queue_.insert(queue_.end(), pids->begin(), pids->end());
    }
  }
  look_around();
  if (targets_.limit != 0) {
    begin_order();
  } else {
    work_off(targets_.first_look);
  }
}

void RuntimeProcesses::begin_order() {
  for (const pid_t pid : queue_) {
    used_[pid] = read_cpu_ticks(pid);
  }
}

// Those in the queue, by what they have used since the start.
void RuntimeProcesses::order_by_cpu() {
  for (auto& [pid, ticks] : used_) {
    const std::uint64_t now = read_cpu_ticks(pid);
    ticks = now > ticks ? now - ticks : 0;
  }
  std::ranges::stable_sort(queue_, std::greater(), [this](pid_t pid) { return used_[pid]; });
  used_.clear();
}

void RuntimeProcesses::tick() {
  if (is_ordering()) {
    if (Clock::now() - start_ < kWindow) {
      return;
    }
    order_by_cpu();
    work_off(targets_.first_look);
  }
  const bool is_early = Clock::now() - start_ < kEarly;
  if (Clock::now() - looked_ >= (is_early ? kLookInterval : kLaterInterval)) {
    look_around();
  }
  work_off(kLaterLook);
}

// At the selected processes, and what they have started meanwhile.
void RuntimeProcesses::look_around() {
  if (!targets_.takes_all || !targets_.is_pid_filtered) {
    return;
  }
  looked_ = Clock::now();
  if (targets_.follows_children) {
    for (const std::uint32_t pid : proc_.list_pids().value_or(std::vector<std::uint32_t>())) {
      const auto stat = proc_.read_stat(pid);
      if (stat && selected_.contains(static_cast<pid_t>(stat->parent_pid))) {
        selected_.insert(static_cast<pid_t>(pid));
      }
    }
  }
  for (const pid_t pid : selected_) {
    if (!decided_.contains(pid) && looks_[pid] < kMaxLooks) {
      queue_.push_back(pid);
    }
  }
}

void RuntimeProcesses::work_off(milliseconds limit) {
  const Clock::time_point end = Clock::now() + limit;
  while (!queue_.empty() && Clock::now() < end) {
    const pid_t pid = queue_.front();
    queue_.pop_front();
    if (!decided_.contains(pid)) {
      look_at(pid);
    }
  }
}

void RuntimeProcesses::look_at(pid_t pid) {
  const auto stat = proc_.read_stat(static_cast<std::uint32_t>(pid));
  const bool is_looked_at =
      stat && !stat->is_kernel_thread && pid != ::getpid() && !is_tool(pid, *stat) &&
      (targets_.is_recorded == nullptr || is_named(pid) || targets_.is_recorded(pid));
  if (!is_looked_at) {
    return;
  }
  if (look_(pid, *stat) == Verdict::decided) {
    decided_.insert(pid);
  } else {
    ++looks_[pid];
  }
}

// Our children that nobody has asked for: perf has a Python inside.
bool RuntimeProcesses::is_tool(pid_t pid, const ProcStat& stat) const {
  return static_cast<pid_t>(stat.parent_pid) == ::getpid() && !selected_.contains(pid) &&
         !is_named(pid);
}

bool RuntimeProcesses::is_named(pid_t pid) const {
  return std::ranges::find(targets_.named, pid) != targets_.named.end();
}

std::vector<pid_t> RuntimeProcesses::named_in_vain() const {
  std::vector<pid_t> pids;
  std::ranges::copy_if(targets_.named, std::back_inserter(pids),
                       [this](pid_t pid) { return !decided_.contains(pid); });
  return pids;
}

bool RuntimeProcesses::is_too_young(const ProcStat& stat) const {
  return !targets_.is_pid_filtered && age_of(stat.start_ticks) < targets_.youngest;
}

}  // namespace waggle
