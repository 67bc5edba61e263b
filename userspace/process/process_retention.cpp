// SPDX-License-Identifier: Apache-2.0
// How the process table forgets: after the grace times, or earlier for the budget.
#include <utility>

#include "userspace/process/process_table.h"

namespace waggle {

namespace {

constexpr std::uint64_t kCompareIntervalNs = 60'000'000'000;
constexpr std::uint64_t kCompareAfterLossNs = 1'000'000'000;
constexpr std::uint64_t kUnloadIntervalNs = 1'000'000'000;

// With its usual image, its part of the hash table and its places in the two queues.
constexpr std::size_t kProcessBytes = sizeof(Process) + sizeof(Image) + 128;

}  // namespace

std::size_t ProcessTable::size_bytes() const {
  return mapping_bytes_ + files_.size_bytes() + process_count_ * kProcessBytes;
}

void ProcessTable::advance() {
  now_ = read_clock_();
  const bool is_after_loss = last_loss_ns_ > compared_ns_;
  const std::uint64_t interval_ns = is_after_loss ? kCompareAfterLossNs : kCompareIntervalNs;
  if (now_.monotonic_ns - compared_ns_ >= interval_ns) {
    compare_with_proc();
  }
  forget_old();
  if (size_bytes() > limits_.budget_bytes) {
    keep_budget();
  }
}

void ProcessTable::forget_old() {
  const auto is_over = [this](const std::deque<Retired>& queue, std::uint64_t grace_ns) {
    return !queue.empty() && queue.front().time_ns + grace_ns <= now_.monotonic_ns;
  };
  while (is_over(retired_images_, limits_.mapping_grace_ns)) {
    release_mappings(retired_images_.front());
    retired_images_.pop_front();
  }
  while (is_over(gone_, limits_.name_grace_ns)) {
    erase_process(gone_.front());
    gone_.pop_front();
  }
}

// An eighth more than needed goes, so that the next record does not bring us here again.
void ProcessTable::keep_budget() {
  files_.sweep();
  while (size_bytes() > limits_.budget_bytes / 8 * 7 && !gone_.empty()) {
    const Retired oldest = gone_.front();
    gone_.pop_front();
    while (!retired_images_.empty() && retired_images_.front().time_ns <= oldest.time_ns) {
      release_mappings(retired_images_.front());
      retired_images_.pop_front();
    }
    erase_process(oldest);
    ++counters_.forgotten_processes;
  }
  files_.sweep();
  if (size_bytes() > limits_.budget_bytes &&
      now_.monotonic_ns - unloaded_ns_ >= kUnloadIntervalNs) {
    unloaded_ns_ = now_.monotonic_ns;
    unload_live();
  }
}

// /proc has what live processes map; a sample loads it again.
void ProcessTable::unload_live() {
  for (auto& [pid, process] : by_pid_) {
    if (size_bytes() <= limits_.budget_bytes / 4 * 3) {
      break;
    }
    if (process->is_live() && !process->is_kernel_thread) {
      process->current().history = new_history(false);
      ++counters_.unloaded_processes;
    }
  }
  files_.sweep();
}

void ProcessTable::release_mappings(const Retired& retired) {
  Process* process = newest(retired.pid);
  while (process != nullptr && process->serial != retired.serial) {
    process = process->older.get();
  }
  if (process == nullptr) {
    return;
  }
  for (Image& image : process->images) {
    if (image.to_ns <= retired.time_ns) {
      image.history = nullptr;
    }
  }
}

void ProcessTable::erase_process(const Retired& retired) {
  const auto found = by_pid_.find(retired.pid);
  if (found == by_pid_.end()) {
    return;
  }
  std::unique_ptr<Process>* at = &found->second;
  while (*at != nullptr && (*at)->serial != retired.serial) {
    at = &(*at)->older;
  }
  if (*at != nullptr) {
    *at = std::move((*at)->older);
    --process_count_;
  }
  if (found->second == nullptr) {
    by_pid_.erase(found);
  }
}

}  // namespace waggle
