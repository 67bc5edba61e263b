// SPDX-License-Identifier: Apache-2.0
// Times of files, which are CLOCK_REALTIME, compared with those of samples, CLOCK_MONOTONIC.
#pragma once

#include <time.h>

#include <cstdint>

namespace waggle {

// File times are those of the last timer tick (10 ms where HZ is 100): as much may a file be
// younger than it looks.
constexpr std::uint64_t kFileTimeLagNs = 10'000'000;

constexpr std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

inline std::int64_t clock_ns(clockid_t clock) {
  timespec time{};
  (void)::clock_gettime(clock, &time);  // fails for no clock that is asked for here
  return nanoseconds(time);
}

// The clock of samples.
inline std::uint64_t monotonic_now_ns() {
  return static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC));
}

// 0 for a time before this boot, and for one in the future: the clock was set back since.
inline std::uint64_t monotonic_ns(std::int64_t file_time_ns) {
  const std::int64_t real_ns = clock_ns(CLOCK_REALTIME);
  const std::int64_t ns = file_time_ns - (real_ns - clock_ns(CLOCK_MONOTONIC));
  return file_time_ns > real_ns || ns < 0 ? 0 : static_cast<std::uint64_t>(ns);
}

}  // namespace waggle
