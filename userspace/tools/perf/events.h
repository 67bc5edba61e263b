// SPDX-License-Identifier: Apache-2.0
// Which event perf can sample with on this host, proven by samples.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

struct PerfTrial {
  std::string event;  // for PerfRecordOptions::event
  std::string name;   // what perf says it counted: "cpu-clock"
  std::uint64_t samples;
  std::uint64_t lost;  // as the kernel says
  // Since 5.14 perf prints offsets in files where earlier ones print addresses in processes.
  bool prints_offsets;
  bool has_bpf_events = false;  // PerfRecordOptions'
};

inline constexpr int kPerfTrialHz = 99;

// perf's default, then cpu-clock, then task-clock: the first that gives samples of the whole host
// while this thread is busy for that time.  A crash counts as no; a perf that hangs is not
// asked again.  `directory`: private.  The error names each event's refusal.
Result<PerfTrial> choose_perf_event(
    const std::string& perf, const std::string& directory,
    std::chrono::milliseconds busy = std::chrono::milliseconds(200));

// "cpu-clock:pppH" -> "cpu-clock".
std::string event_name(std::string_view event);

}  // namespace waggle
