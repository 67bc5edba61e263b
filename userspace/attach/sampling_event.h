// SPDX-License-Identifier: Apache-2.0
// The perf event that drives CPU sampling: which one works here, and one for each CPU.
#pragma once

#include <linux/perf_event.h>

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

struct SamplingEvent {
  std::string_view name;  // as perf(1) calls it: "cycles", "cpu-clock"
  std::uint32_t type;     // PERF_TYPE_*
  std::uint64_t config;
  bool excludes_idle;  // the event itself is silent while the CPU idles
  bool counts_idle;    // its count goes on while the CPU idles (clocks do, cycles do not)
};

// Hardware cycles, else cpu-clock: the first that delivered a sample of this thread within a
// second. Costs a few milliseconds where the first one works.  The error names each event's
// refusal.
Result<SamplingEvent> choose_sampling_event();

// A disabled event for one CPU, `frequency` samples a second.
Result<UniqueFd> open_sampling_event(const SamplingEvent& event, int frequency, int cpu);

Result<> enable_event(int fd);
Result<> disable_event(int fd);

struct EventCount {
  std::uint64_t count;            // in the event's unit
  std::uint64_t time_enabled_ns;  // stands still once the CPU went offline
};
Result<EventCount> read_event(int fd);

// The limit of kernel.perf_event_max_sample_rate, samples a second for each CPU.
Result<int> max_sample_rate();

}  // namespace waggle
