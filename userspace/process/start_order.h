// SPDX-License-Identifier: Apache-2.0
// Which of the processes that already run will be sampled first.  Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "bpf/abi/process.h"

namespace waggle {

struct StartCandidate {
  process_id process;
  std::uint64_t recent_ns;  // CPU time between the two accounts
  std::uint64_t cpu_ns;     // and of its life

  [[nodiscard]] bool is_running() const { return recent_ns != 0; }
};

// What runs now first, by how much, then by the CPU time of its life.  `before` and `now`: all
// threads, some milliseconds apart.
std::vector<StartCandidate> order_for_start(
    std::span<const process_thread> before, std::span<const process_thread> now,
    const std::function<bool(std::uint32_t tgid)>& is_selected);

}  // namespace waggle
