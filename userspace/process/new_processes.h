// SPDX-License-Identifier: Apache-2.0
// Who has begun, where the kernel tells nobody of execs: pids of /proc that were not there before.
// A program that a process begins anew is not seen.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "userspace/process/proc_fs.h"

namespace waggle {

// One thread.
class NewProcesses {
 public:
  // Those that run now are not new.
  void begin() { known_ = list(); }
  // Since the last call; looks about once a second.
  std::vector<std::uint32_t> take() {
    constexpr std::chrono::seconds kPause(1);
    if (Clock::now() - looked_ < kPause) {
      return {};
    }
    looked_ = Clock::now();
    std::vector<std::uint32_t> now = list();
    std::vector<std::uint32_t> fresh;
    std::ranges::set_difference(now, known_, std::back_inserter(fresh));
    known_ = std::move(now);
    return fresh;
  }

 private:
  using Clock = std::chrono::steady_clock;

  // Sorted.
  [[nodiscard]] std::vector<std::uint32_t> list() const {
    auto pids = proc_.list_pids();
    return pids ? *std::move(pids) : std::vector<std::uint32_t>();
  }

  ProcFs proc_;
  std::vector<std::uint32_t> known_;  // at the last look
  Clock::time_point looked_;
};

}  // namespace waggle
