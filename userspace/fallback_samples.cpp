// SPDX-License-Identifier: Apache-2.0
// What becomes of a sample that perf tells of: who is left out, names, marks.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "bpf/abi/markers.h"
#include "userspace/fallback_recorder.h"
#include "userspace/tools/perf/frame_text.h"

namespace waggle {

bool FallbackRecorder::is_wanted(const PerfSample& sample) const {
  const bool is_idle = sample.pid == 0;
  const bool is_child = options_.is_pid_filtered && !options_.follows_children && sample.pid > 0 &&
                        !pids_.contains(sample.pid);
  return !is_idle && !is_child && !own_.contains(sample.pid, sample.time_ns);
}

std::string FallbackRecorder::name_of(const PerfSample& sample, std::size_t index,
                                      std::size_t kernel_count) {
  const PerfFrame& frame = sample.frames[index];
  const ObjectNames objects = options_.shows_files ? ObjectNames::shown : ObjectNames::hidden;
  if (!is_unnamed(frame)) {
    return frame_text(frame, objects);
  }
  if (index < kernel_count) {
    return "[unknown]_[k]";
  }
  // Behind the first frame of user space stands where each returns to, one past the call.
  const bool is_caller = index > kernel_count && frame.address != 0;
  std::optional<std::string> name =
      names_.place_name(sample.pid, sample.time_ns,
                        {.object = frame.object,
                         .address = frame.address - (is_caller ? 1 : 0),
                         .is_offset = prints_offsets_,
                         .shown = options_.shows_files ? frame.object : std::string_view()});
  return name ? *std::move(name) : frame_text(frame, objects);
}

PerfWalk& FallbackRecorder::session_of(const PerfSample& sample, Walk& walk) {
  const auto session = std::ranges::find_if(
      ended_, [&](const Ended& ended) { return sample.time_ns < perf_time_ns(ended.end); });
  return walk.sessions.at(static_cast<std::size_t>(std::distance(ended_.begin(), session)));
}

void FallbackRecorder::on_sample(const PerfSample& sample, Walk& walk) {
  PerfWalk& session = session_of(sample, walk);
  session.has_told = true;
  if (!is_wanted(sample)) {
    return;
  }
  Profile& profile = session.profile;
  const bool stays_apart =
      options_.mode == PerfMode::smart || told_apart_.contains(sample.pid, sample.time_ns);
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
    stack.frames.push_back(profile.intern(marker_text(mark)));
  }
  const std::size_t kernel_count = count_kernel_frames(sample.frames);
  for (std::size_t i = sample.frames.size(); i-- > 0;) {
    stack.frames.push_back(profile.intern(name_of(sample, i, kernel_count)));
  }
  profile.add(stack, 1);
  ++session.samples;
  session.late += sample.time_ns < whole_until_ns_ ? 1 : 0;
  samples_ += &walk == walks_.front().get() ? 1 : 0;
}

}  // namespace waggle
