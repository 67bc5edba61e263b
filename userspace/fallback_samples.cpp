// SPDX-License-Identifier: Apache-2.0
// What becomes of a sample that perf tells of: who is left out, names, marks.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bpf/abi/markers.h"
#include "userspace/fallback_recorder.h"
#include "userspace/tools/perf/frame_text.h"

namespace waggle {

namespace {

constexpr std::array kMarkerTexts = {
#define X(name, text, meaning) std::string_view(text),
    WAGGLE_MARKERS(X)
#undef X
};

}  // namespace

std::uint64_t FallbackRecorder::count_truncated() {
  Profile& profile = result_.profile;
  const Profile::NameId lost = profile.intern(kMarkerTexts[MARKER_lost_stack]);
  const Profile::NameId cut = profile.intern(kMarkerTexts[MARKER_truncated_depth]);
  std::uint64_t truncated = 0;
  for (const auto& [stack, count] : profile.counts()) {
    const bool has_mark = std::ranges::any_of(
        stack.frames, [&](Profile::NameId frame) { return frame == lost || frame == cut; });
    truncated += has_mark ? count : 0;
  }
  return truncated;
}

bool FallbackRecorder::is_wanted(const PerfSample& sample) const {
  const bool is_idle = sample.pid == 0;
  const bool is_child = options_.is_pid_filtered && !options_.follows_children && sample.pid > 0 &&
                        !pids_.contains(sample.pid);
  return !is_idle && !is_child && !own_.contains(sample.pid);
}

std::string FallbackRecorder::name_of(const PerfSample& sample, std::size_t index,
                                      std::size_t kernel_count) {
  const PerfFrame& frame = sample.frames[index];
  if (!is_unnamed(frame)) {
    return frame_text(frame);
  }
  if (index < kernel_count) {
    return "[unknown]_[k]";
  }
  // Behind the first frame of user space stands where each returns to, one past the call.
  const bool is_caller = index > kernel_count && frame.address != 0;
  auto name = names_.place_name(sample.pid, sample.time_ns,
                                {.object = frame.object,
                                 .address = frame.address - (is_caller ? 1 : 0),
                                 .is_offset = prints_offsets_});
  return name ? *std::move(name) : frame_text(frame);
}

void FallbackRecorder::on_sample(const PerfSample& sample, Walk& walk) {
  walk.has_told = true;
  if (!is_wanted(sample)) {
    return;
  }
  Profile& profile = walk.profile;
  const bool stays_apart = options_.mode == PerfMode::smart || told_apart_.contains(sample.pid);
  Profile::Stack stack{
      .container = profile.intern(names_.container(sample.pid, sample.time_ns)),
      .comm = profile.intern(names_.exec_name(sample.pid, sample.time_ns)),
      .frames = {},
      .process = stays_apart ? static_cast<std::uint32_t>(sample.pid) : 0,
      .application = profile.intern_application(names_.application(sample.pid, sample.time_ns))};
  if (options_.counts_threads) {
    stack.frames.push_back(
        profile.intern(fmt::format("thread: {}", names_.thread_name(sample.tid))));
  }
  if (sample.frames.empty() || sample.is_cut) {
    const marker mark = sample.frames.empty() ? MARKER_lost_stack : MARKER_truncated_depth;
    stack.frames.push_back(profile.intern(kMarkerTexts[mark]));
  }
  const std::size_t kernel_count = count_kernel_frames(sample.frames);
  for (std::size_t i = sample.frames.size(); i-- > 0;) {
    stack.frames.push_back(profile.intern(name_of(sample, i, kernel_count)));
  }
  profile.add(stack, 1);
  ++walk.samples;
}

}  // namespace waggle
