// SPDX-License-Identifier: Apache-2.0
// The data of a session: when a segment ends, how much of it has been read, what it comes to.
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <utility>

#include "userspace/tools/perf/session.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kRollTime(1000);
constexpr milliseconds kRollPatience(3000);  // then it may not have heard that it should
// In which perf reads the rings of all CPUs: a signal that comes meanwhile ends a segment that
// lacks what those that were read first got since.
constexpr milliseconds kRingTime(100);

// Zero: it is gone.
std::chrono::microseconds cpu_time_of(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  const bool is_read =
      pid != 0 && ::clock_getcpuclockid(pid, &clock) == 0 && ::clock_gettime(clock, &time) == 0;
  return is_read ? seconds(time.tv_sec) + std::chrono::duration_cast<std::chrono::microseconds>(
                                              std::chrono::nanoseconds(time.tv_nsec))
                 : std::chrono::microseconds();
}

}  // namespace

PerfSegmentHooks PerfSession::reader_hooks() {
  return {
      .on_sample = hooks_.on_sample,
      .add_own = hooks_.add_own,
      .note_problem = [this](std::string text,
                             Clock::time_point since) { note_problem(std::move(text), since); },
      .on_dropped = [this](const PerfSegment& dropped) { gaps_.add(dropped.begin, dropped.end); }};
}

// One at a time: each segment is then known to be of its roll.
void PerfSession::roll(Run& run) {
  const Clock::time_point now = Clock::now();
  const Clock::duration age = now - run.segment_start;
  if (run.rolled && age < kRollPatience) {
    return;
  }
  const bool is_due = age >= (reader_.is_idle() ? limits_.segment : limits_.longest_segment);
  // perf needs a moment to begin another.
  const bool is_large = age >= kRollTime && run.recording.segment_bytes() >= limits_.segment_bytes;
  const bool is_cut = run.earliest_ns() < perf_time_ns(cut_) && now >= cut_ + kRingTime;
  if (is_due || is_large || is_cut) {
    run.segment_start = now;
    run.rolled = run.rolled.value_or(now);
    (void)run.recording.roll();  // it may have ended: the next tick sees that
  }
}

void PerfSession::take_segments(Run& run) {
  std::vector<UniqueFd> segments = run.recording.take_segments();
  for (UniqueFd& data : segments) {
    add_segment(run, std::move(data));
  }
  if (!segments.empty() && run.rolled) {
    run.earliest = *std::exchange(run.rolled, std::nullopt) - kRingTime;
  }
}

void PerfSession::add_segment(Run& run, UniqueFd data) {
  const Clock::time_point now = Clock::now();
  struct stat status{};
  (void)::fstat(data.get(), &status);  // it is open
  reader_.add({.data = std::move(data),
               .bytes = static_cast<std::uint64_t>(status.st_size),
               .earliest_ns = run.earliest_ns(),
               .from_ns = run.from_ns,
               .until_ns = run.until_ns,
               .begin = std::exchange(run.taken_until, now),
               .end = now});
}

std::uint64_t PerfSession::Run::earliest_ns() const {
  return std::max(from_ns, perf_time_ns(earliest));
}

bool PerfSession::has_read_until(std::uint64_t time_ns) const {
  return reader_.has_read_until(time_ns) &&
         std::ranges::all_of(std::array{&current_, &old_}, [&](const auto* run) {
           return *run == nullptr || (*run)->earliest_ns() >= time_ns;
         });
}

std::chrono::microseconds PerfSession::running_cpu_time() const {
  std::chrono::microseconds sum = cpu_time_of(reader_.script_pid());
  for (const auto* run : {&current_, &next_, &old_}) {
    sum += *run ? cpu_time_of((*run)->recording.pid()) : std::chrono::microseconds();
  }
  return sum;
}

PerfSession::Counters PerfSession::counters() const {
  const PerfSegmentReader::Counters& read = reader_.counters();
  return {.lost = read.lost,
          .throttled = read.throttled,
          .restarts = restarts_,
          .gap = gaps_.total(),
          .cpu_time = ended_cpu_time_ + read.cpu_time};
}

PerfSession::Account PerfSession::take_account(Clock::time_point end) {
  Counters now = counters();
  now.cpu_time += running_cpu_time();
  const Counters before = std::exchange(accounted_, now);
  const auto is_before = [end](const Problem& problem) { return problem.time < end; };
  const auto found = std::ranges::find_if(unaccounted_, is_before);
  std::string first = found == unaccounted_.end() ? "" : found->text;
  if (first.empty() && down_ && is_before(*down_)) {
    first = down_->text;  // told in a session before
  }
  std::erase_if(unaccounted_, is_before);
  return {.counters = {.lost = now.lost - before.lost,
                       .throttled = now.throttled - before.throttled,
                       .restarts = now.restarts - before.restarts,
                       .gap = gaps_.take(end),
                       .cpu_time = std::max(now.cpu_time - before.cpu_time, {})},
          .first_problem = std::move(first)};
}

bool PerfSession::poll_read() {
  reader_.tick();
  return reader_.is_idle();
}

void PerfSession::end_reading() {
  reader_.end();
}

}  // namespace waggle
