// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/system_metrics.h"

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxBytes = std::size_t{16} << 20;  // stat has a number for each interrupt
constexpr std::chrono::seconds kMemoryInterval(5);
constexpr double kPercent = 100;

std::optional<std::uint64_t> kib_of(std::string_view meminfo, std::string_view key) {
  for (std::string_view line : split(meminfo, '\n')) {
    if (line.starts_with(key)) {
      line.remove_prefix(key.size());
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      return parse_number<std::uint64_t>(line.substr(0, line.find(' ')));
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<CpuTimes> parse_cpu_times(std::string_view stat) {
  constexpr std::string_view kStart = "cpu  ";
  constexpr std::size_t kIdle = 3;
  constexpr std::size_t kWaiting = 4;
  constexpr std::size_t kSteal = 7;
  if (!stat.starts_with(kStart)) {
    return std::nullopt;
  }
  const auto fields = split(stat.substr(kStart.size(), stat.find('\n') - kStart.size()), ' ');
  if (fields.size() <= kWaiting) {
    return std::nullopt;
  }
  CpuTimes times;
  for (std::size_t i = 0; i < fields.size() && i <= kSteal; ++i) {
    const auto ticks = parse_number<std::uint64_t>(fields[i]);
    if (!ticks) {
      return std::nullopt;
    }
    times.total += *ticks;
    times.busy += i == kIdle || i == kWaiting ? 0 : *ticks;
  }
  return times;
}

std::optional<double> parse_memory_used(std::string_view meminfo) {
  const auto total = kib_of(meminfo, "MemTotal:");
  const auto available = kib_of(meminfo, "MemAvailable:");
  if (!total || !available || *total == 0 || *available > *total) {
    return std::nullopt;
  }
  return kPercent * static_cast<double>(*total - *available) / static_cast<double>(*total);
}

void SystemMetrics::begin() {
  begin_ = parse_cpu_times(read_file(proc_ + "/stat", kMaxBytes).value_or(""));
  memory_sum_ = 0;
  memory_polls_ = 0;
  next_poll_ = {};
  poll();
}

void SystemMetrics::poll() {
  const Clock::time_point now = Clock::now();
  if (now < next_poll_) {
    return;
  }
  next_poll_ = now + kMemoryInterval;
  if (const auto used = parse_memory_used(read_file(proc_ + "/meminfo", kMaxBytes).value_or(""))) {
    memory_sum_ += *used;
    ++memory_polls_;
  }
}

std::optional<double> SystemMetrics::cpu_average() const {
  const auto now = parse_cpu_times(read_file(proc_ + "/stat", kMaxBytes).value_or(""));
  if (!begin_ || !now || now->total <= begin_->total || now->busy < begin_->busy) {
    return std::nullopt;
  }
  return kPercent * static_cast<double>(now->busy - begin_->busy) /
         static_cast<double>(now->total - begin_->total);
}

std::optional<double> SystemMetrics::memory_average() const {
  return memory_polls_ == 0 ? std::nullopt : std::optional(memory_sum_ / memory_polls_);
}

}  // namespace waggle
