// SPDX-License-Identifier: Apache-2.0
// What perf told of one session, or two of them in smart mode, as one recording.  Not for taking
// samples: fallback_recorder.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/abi/markers.h"
#include "userspace/profile/profile.h"
#include "userspace/tools/perf/mode.h"
#include "userspace/tools/perf/session.h"

namespace waggle {

struct FallbackRecording {
  Profile profile;
  std::string event;          // "cpu-clock"
  std::uint64_t samples = 0;  // that perf wrote, without those of idle CPUs and of our own
  std::uint64_t lost = 0;     // that the kernel says it lost
  // That the kernel held back since they came too often, idle CPUs' too: an estimate.
  std::uint64_t throttled = 0;
  std::uint64_t truncated = 0;
  std::vector<std::pair<std::string, std::string>> tools;  // each perf: "ok" or what happened
  std::vector<std::string> excluded;
  std::chrono::nanoseconds duration{};
  // While no perf sampled, or what it had was lost with it: at most so long.
  std::chrono::nanoseconds paused{};
  std::chrono::microseconds perf_cpu_time{};
  bool is_blind = false;  // no perf ran, or none has told of any sample and it failed
};

// What one perf tells of a session.
struct PerfWalk {
  PerfMode mode = PerfMode::fp;  // or dwarf
  Profile profile;
  std::uint64_t samples = 0;
  bool has_told = false;   // of any sample, wanted or not
  std::uint64_t late = 0;  // of these: what was read too late for the session before
  bool is_whole = true;    // else what is left counts for the next session
  PerfSession::Account account;
};

struct FallbackSession {
  std::string event;
  int frequency_hz = 0;
  std::chrono::nanoseconds duration{};
};

std::string_view tool_name(PerfMode mode);
// The frame that says so.
std::string_view marker_text(marker mark);

// is_told_apart: as merge_smart()'s.
FallbackRecording make_fallback_recording(std::vector<PerfWalk> walks,
                                          const FallbackSession& session,
                                          const std::function<bool(std::uint32_t)>& is_told_apart);

}  // namespace waggle
