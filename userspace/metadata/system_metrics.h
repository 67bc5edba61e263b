// SPDX-License-Identifier: Apache-2.0
// How busy the host was: `metrics` in the header of a .col file.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace waggle {

struct CpuTimes {
  std::uint64_t busy = 0;
  std::uint64_t total = 0;
};

// Of all CPUs, in /proc/stat (proc_stat(5)): waiting for a disk is not busy, and guests' time is in
// the user's already.
std::optional<CpuTimes> parse_cpu_times(std::string_view stat);
// Used memory in percent, by /proc/meminfo.
std::optional<double> parse_memory_used(std::string_view meminfo);

// One thread.
class SystemMetrics {
 public:
  explicit SystemMetrics(std::string proc = "/proc") : proc_(std::move(proc)) {}

  void begin();
  // As often as convenient: reads memory each five seconds.
  void poll();

  // Since begin(), in percent; nothing where it cannot be known.
  [[nodiscard]] std::optional<double> cpu_average() const;
  [[nodiscard]] std::optional<double> memory_average() const;

 private:
  using Clock = std::chrono::steady_clock;

  std::string proc_;
  std::optional<CpuTimes> begin_;
  Clock::time_point next_poll_;
  double memory_sum_ = 0;
  int memory_polls_ = 0;
};

}  // namespace waggle
