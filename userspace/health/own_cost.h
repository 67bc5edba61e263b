// SPDX-License-Identifier: Apache-2.0
// What waggle takes of the host: CPU time of its threads and its children, memory of its own.
// Not for the kernel side's share: attach/map_bytes.h, cpu_stats::run_ns.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace waggle {

// CPU time of all threads of this process, those that have ended too.
std::chrono::nanoseconds own_cpu_time();
// CPU time of the children that live and of those that have been waited for, with theirs.
// `except`: one that is recorded and no tool of ours; it counts once it has been waited for.
std::chrono::nanoseconds children_cpu_time(std::optional<pid_t> except = std::nullopt);
std::size_t child_count();
// Zeros where it cannot be read.
struct OwnMemory {
  std::uint64_t resident_bytes = 0;
  std::uint64_t anonymous_bytes = 0;  // of them, those of no file
};
OwnMemory own_memory();

}  // namespace waggle
