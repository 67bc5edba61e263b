// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/segment_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

namespace waggle {

namespace {

constexpr std::chrono::seconds kSilence(10);  // a script that prints nothing for so long hangs

}  // namespace

void PerfSegmentReader::add(PerfSegment segment) {
  segments_.push_back(std::move(segment));
  drop_segments();
}

// A disk that is full helps nobody; the newest say more of what goes on.
void PerfSegmentReader::drop_segments() {
  std::uint64_t bytes = 0;
  for (const PerfSegment& segment : segments_) {
    bytes += segment.bytes;
  }
  std::optional<Clock::time_point> dropped_since;
  while (bytes > waiting_bytes_ && segments_.size() > 1) {
    bytes -= segments_.front().bytes;
    dropped_since = dropped_since.value_or(segments_.front().begin);
    hooks_.on_dropped(segments_.front());
    segments_.pop_front();
  }
  if (dropped_since && !std::exchange(has_told_drop_, true)) {
    hooks_.note_problem("perf script is too slow: data was dropped unread", *dropped_since);
  }
}

bool PerfSegmentReader::has_read_until(std::uint64_t time_ns) const {
  const bool is_script_past = script_ == nullptr || script_earliest_ns_ >= time_ns;
  return is_script_past && std::ranges::all_of(segments_, [&](const PerfSegment& segment) {
           return segment.earliest_ns >= time_ns;
         });
}

Result<> PerfSegmentReader::start_script() {
  const PerfSegment segment = std::move(segments_.front());
  segments_.pop_front();
  script_begin_ = segment.begin;
  script_ = TRY(PerfScript::start(
      perf_, segment.data,
      [this, from_ns = segment.from_ns, until_ns = segment.until_ns](const PerfSample& sample) {
        if (sample.time_ns >= from_ns && sample.time_ns < until_ns) {
          hooks_.on_sample(sample);
        }
      }));
  script_earliest_ns_ = segment.earliest_ns;
  hooks_.add_own(script_->pid());
  heard_ = Clock::now();
  return outputs_.add(loop_, *script_, [this] {
    heard_ = Clock::now();
    script_->read();
    outputs_.remove_ended(loop_, *script_);
  });
}

void PerfSegmentReader::end_script() {
  outputs_.remove_all(loop_);
  const ToolEnd end = script_->finish();
  counters_.cpu_time += end.cpu_time;
  if (!end.is_ok()) {
    hooks_.note_problem(end.is_killed ? "perf script was killed: it took too long"
                                      : fmt::format("perf script {}: {}", end.text(),
                                                    last_line_of(script_->last_words())),
                        script_begin_);
  }
  const PerfScriptParser::Counters& counters = script_->counters();
  if (counters.bad_lines != 0) {
    hooks_.note_problem(
        fmt::format("perf script printed {} lines that cannot be read", counters.bad_lines),
        script_begin_);
  }
  counters_.lost += script_->facts().lost_records;
  counters_.throttled += script_->facts().throttled;
  script_.reset();
}

void PerfSegmentReader::tick() {
  if (script_ != nullptr && (script_->has_ended() || Clock::now() - heard_ > kSilence)) {
    end_script();
  }
  if (script_ == nullptr && !segments_.empty()) {
    if (const Result<> started = start_script(); !started) {
      hooks_.note_problem(started.error().what, script_begin_);
    }
  }
}

void PerfSegmentReader::end() {
  if (script_ != nullptr) {
    end_script();  // names the tool
  }
  if (!segments_.empty()) {
    hooks_.note_problem(fmt::format("{} part{} of its data not read: there was no time",
                                    segments_.size(), segments_.size() == 1 ? "" : "s"),
                        segments_.front().begin);
    segments_.clear();
  }
}

}  // namespace waggle
