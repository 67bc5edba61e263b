// SPDX-License-Identifier: Apache-2.0
#include "userspace/fallback_recording.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "userspace/tools/perf/smart_merge.h"

namespace waggle {

namespace {

constexpr std::chrono::milliseconds kShownGap(50);

constexpr std::array kMarkerTexts = {
#define X(name, text, meaning) std::string_view(text),
    WAGGLE_MARKERS(X)
#undef X
};

// "ok", or what happened.
std::string state_of(const PerfWalk& walk) {
  const PerfSession::Counters& counters = walk.account.counters;
  std::string state = walk.account.first_problem.empty() ? "ok" : walk.account.first_problem;
  if (counters.restarts != 0) {
    state +=
        fmt::format("; restarted {} time{}", counters.restarts, counters.restarts == 1 ? "" : "s");
  }
  if (counters.gap >= kShownGap) {
    state += fmt::format("; up to {:.1f} s without samples",
                         std::chrono::duration<double>(counters.gap).count());
  }
  if (!walk.is_whole) {
    state += "; not all of its data read in time";
  }
  if (walk.late != 0) {
    state += fmt::format("; {} sample{} of the session before, read late", walk.late,
                         walk.late == 1 ? "" : "s");
  }
  return state;
}

// `walk` decides how many samples there are.
void count_by(const PerfWalk& walk, int frequency_hz, FallbackRecording& result) {
  const PerfSession::Counters& counters = walk.account.counters;
  result.samples = walk.samples + counters.lost;
  result.lost = counters.lost;
  result.throttled = static_cast<std::uint64_t>(
      std::chrono::duration<double>(counters.throttled).count() * frequency_hz);
  result.paused = counters.gap;
}

void take_smart(const PerfWalk& fp, const PerfWalk& dwarf, int frequency_hz,
                const std::function<bool(std::uint32_t)>& is_told_apart,
                FallbackRecording& result) {
  SmartMerge merge = merge_smart(fp.profile, dwarf.profile, is_told_apart);
  count_by(merge.is_dwarf_alone ? dwarf : fp, frequency_hz, result);
  result.profile = std::move(merge.profile);
  if (merge.is_fp_alone || merge.is_dwarf_alone) {
    result.excluded.push_back(fmt::format("smart: perf by {} has no samples, the other's are taken",
                                          merge.is_fp_alone ? "dwarf" : "frame pointers"));
  }
  if (merge.left_out_samples != 0) {
    result.excluded.push_back(fmt::format(
        "smart: {} dwarf sample{} of {} process{} that perf by frame pointers has none of",
        merge.left_out_samples, merge.left_out_samples == 1 ? "" : "s", merge.left_out_processes,
        merge.left_out_processes == 1 ? "" : "es"));
  }
}

std::uint64_t count_truncated(Profile& profile) {
  const Profile::NameId lost = profile.intern(marker_text(MARKER_lost_stack));
  const Profile::NameId cut = profile.intern(marker_text(MARKER_truncated_depth));
  std::uint64_t truncated = 0;
  for (const auto& [stack, count] : profile.counts()) {
    const bool has_mark = std::ranges::any_of(
        stack.frames, [&](Profile::NameId frame) { return frame == lost || frame == cut; });
    truncated += has_mark ? count : 0;
  }
  return truncated;
}

// Where it failed: else there was nobody to be sampled.
bool is_blind(const PerfWalk& walk) {
  return !walk.has_told && walk.account.counters.lost == 0 && !walk.account.first_problem.empty();
}

}  // namespace

std::string_view tool_name(PerfMode mode) {
  return mode == PerfMode::dwarf ? "perf (dwarf)" : "perf";
}

std::string_view marker_text(marker mark) {
  return kMarkerTexts.at(mark);
}

FallbackRecording make_fallback_recording(std::vector<PerfWalk> walks,
                                          const FallbackSession& session,
                                          const std::function<bool(std::uint32_t)>& is_told_apart) {
  FallbackRecording result;
  result.event = session.event;
  result.duration = session.duration;
  result.is_blind = std::ranges::all_of(walks, is_blind);
  for (const PerfWalk& walk : walks) {
    result.perf_cpu_time += walk.account.counters.cpu_time;
    result.tools.emplace_back(walks.size() > 1 ? tool_name(walk.mode) : "perf", state_of(walk));
  }
  if (walks.size() > 1) {
    take_smart(walks.front(), walks.back(), session.frequency_hz, is_told_apart, result);
  } else if (!walks.empty()) {
    count_by(walks.front(), session.frequency_hz, result);
    result.profile = std::move(walks.front().profile);
  }
  result.truncated = count_truncated(result.profile);
  return result;
}

}  // namespace waggle
