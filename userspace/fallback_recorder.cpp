// SPDX-License-Identifier: Apache-2.0
#include "userspace/fallback_recorder.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "bpf/abi/markers.h"
#include "userspace/tools/perf/events.h"
#include "userspace/tools/perf/frame_text.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kStartTime(8000);
// With the moment that is given to a command, less than the ten seconds after its end in which a
// session is over whatever its tools do.  On a host without a CPU to spare they need seconds.
constexpr milliseconds kStopTime(3000);
constexpr milliseconds kReadTime(7000);  // together
// Short, so that little is left to be read at the end; each costs perf a look at all processes.
constexpr seconds kSegment(10);
constexpr seconds kSilence(10);  // a script that prints nothing for so long hangs
constexpr milliseconds kSlice(20);

constexpr std::array kMarkerTexts = {
#define X(name, text, meaning) std::string_view(text),
    WAGGLE_MARKERS(X)
#undef X
};

// perf dies of the signal that it was stopped with.
bool has_ended_well(const ToolEnd& end) {
  return end.is_ok() ||
         (!end.is_killed && WIFSIGNALED(end.wait_status) && WTERMSIG(end.wait_status) == SIGINT);
}

}  // namespace

FallbackRecorder::FallbackRecorder(const FallbackOptions& options, WorkDirectory directory,
                                   EventLoop loop, ProcessStream stream)
    : options_(options),
      directory_(std::move(directory)),
      loop_(std::move(loop)),
      stream_(std::move(stream)),
      names_(options.counts_threads),
      own_{::getpid()} {}

Result<std::unique_ptr<FallbackRecorder>> FallbackRecorder::prepare(
    const FallbackOptions& options) {
  WorkDirectory directory = TRY(WorkDirectory::make());
  PerfTrial trial = TRY(choose_perf_event(options.perf, directory.path()));
  EventLoop loop = TRY(EventLoop::open());
  ProcessStream stream = TRY(ProcessStream::open());
  std::unique_ptr<FallbackRecorder> recorder(
      new FallbackRecorder(options, std::move(directory), std::move(loop), std::move(stream)));
  recorder->event_ = std::move(trial.event);
  recorder->prints_offsets_ = trial.prints_offsets;
  recorder->result_.event = std::move(trial.name);
  return recorder;
}

template <class Child>
Result<> FallbackRecorder::watch(const Child& child, Watched& watched,
                                 const EventLoop::Handler& handler) {
  watched = {.output = child.output_fd(), .errors = child.errors_fd()};
  for (const int fd : {watched.output, watched.errors}) {
    if (fd >= 0) {
      TRY(loop_.add(fd, handler));
    }
  }
  return {};
}

template <class Child>
void FallbackRecorder::forget_closed(const Child& child, Watched& watched) {
  if (watched.output >= 0 && child.output_fd() < 0) {
    loop_.remove(std::exchange(watched.output, -1));
  }
  if (watched.errors >= 0 && child.errors_fd() < 0) {
    loop_.remove(std::exchange(watched.errors, -1));
  }
}

void FallbackRecorder::forget(Watched& watched) {
  for (int* fd : {&watched.output, &watched.errors}) {
    if (*fd >= 0) {
      loop_.remove(std::exchange(*fd, -1));
    }
  }
}

Result<> FallbackRecorder::start() {
  TRY(names_.scan());
  for (const int fd : stream_.fds()) {
    TRY(loop_.add(fd, [this] { drain_stream(); }));
  }
  recording_.emplace(TRY(PerfRecording::start({.perf = options_.perf,
                                               .event = event_,
                                               .frequency_hz = options_.frequency_hz,
                                               .mode = options_.mode,
                                               .dwarf_stack_bytes = options_.dwarf_stack_bytes,
                                               .pids = {pids_.begin(), pids_.end()}},
                                              directory_.path())));
  own_.insert(recording_->pid());
  TRY(recording_->wait_until_sampling(Clock::now() + kStartTime));
  start_ = Clock::now();
  rolled_ = start_;
  return watch(*recording_, recording_fds_, [this] { read_recording(); });
}

std::string FallbackRecorder::tell_apart(pid_t pid) {
  drain_stream();
  told_apart_.insert(pid);
  return names_.exec_name(pid, TableClock::now().monotonic_ns);
}

void FallbackRecorder::drain_stream() {
  stream_.drain([this](const ProcessRecord& record) { names_.apply(record); });
}

void FallbackRecorder::read_recording() {
  recording_->read();
  forget_closed(*recording_, recording_fds_);
}

void FallbackRecorder::read_script() {
  script_heard_ = Clock::now();
  script_->read();
  forget_closed(*script_, script_fds_);
}

void FallbackRecorder::note_problem(std::string text) {
  if (problem_.empty()) {  // what follows from it says nothing new
    problem_ = std::move(text);
    has_untold_problem_ = true;
  }
}

std::optional<std::string> FallbackRecorder::take_problem() {
  return std::exchange(has_untold_problem_, false) ? std::optional(problem_) : std::nullopt;
}

void FallbackRecorder::end_recording(const ToolEnd& end) {
  has_perf_ended_ = true;
  result_.perf_cpu_time += end.cpu_time;
  read_recording();
  forget(recording_fds_);
  if (!has_ended_well(end)) {
    note_problem(end.is_killed
                     ? "perf record did not end on SIGINT and was killed"
                     : fmt::format("perf record {}: {}", end.text(), recording_->last_line()));
  }
  take_segments();
  if (end.is_killed) {
    if (auto rest = recording_->take_rest()) {
      segments_.push_back(*std::move(rest));
    }
  }
}

void FallbackRecorder::take_segments() {
  std::ranges::move(recording_->take_segments(), std::back_inserter(segments_));
}

Result<> FallbackRecorder::start_script() {
  UniqueFd data = std::move(segments_.front());
  segments_.pop_front();
  script_ = TRY(PerfScript::start(options_.perf, std::move(data),
                                  [this](const PerfSample& sample) { on_sample(sample); }));
  own_.insert(script_->pid());
  script_heard_ = Clock::now();
  return watch(*script_, script_fds_, [this] { read_script(); });
}

void FallbackRecorder::end_script() {
  forget(script_fds_);
  const ToolEnd end = script_->finish();
  result_.perf_cpu_time += end.cpu_time;
  if (!end.is_ok()) {
    note_problem(end.is_killed ? "perf script was killed: it took too long"
                               : fmt::format("perf script {}: {}", end.text(),
                                             last_line_of(script_->last_words())));
  }
  const PerfScriptParser::Counters& counters = script_->counters();
  if (counters.bad_lines != 0) {
    note_problem(
        fmt::format("perf script printed {} lines that cannot be read", counters.bad_lines));
  }
  result_.lost += counters.lost_records;
  script_.reset();
}

void FallbackRecorder::look_after_script() {
  if (script_ != nullptr && (script_->has_ended() || Clock::now() - script_heard_ > kSilence)) {
    end_script();
  }
  if (script_ == nullptr && !segments_.empty()) {
    if (const Result<> started = start_script(); !started) {
      note_problem(started.error().what);
    }
  }
}

Result<> FallbackRecorder::tick() {
  drain_stream();
  if (!has_perf_ended_) {
    if (const std::optional<ToolEnd> end = recording_->poll_end()) {
      end_recording(*end);
    } else {
      take_segments();
    }
  }
  look_after_script();
  const bool is_idle = script_ == nullptr && segments_.empty();  // else the segment grows
  if (is_idle && !has_perf_ended_ && Clock::now() - rolled_ >= kSegment) {
    rolled_ = Clock::now();
    (void)recording_->roll();  // it may have ended: the next tick sees that
  }
  return {};
}

Result<> FallbackRecorder::housekeep() {
  names_.advance();
  return stream_.refresh_cpus([this](const ProcessRecord& record) { names_.apply(record); });
}

Result<> FallbackRecorder::stop() {
  end_ = Clock::now();
  if (!has_perf_ended_) {
    recording_->interrupt();
    const Clock::time_point deadline = end_ + kStopTime;
    while (!recording_->poll_end() && Clock::now() < deadline) {
      TRY(loop_.run_once(kSlice));
      look_after_script();
    }
    forget(recording_fds_);
    end_recording(recording_->kill());
  }
  directory_.remove();  // what is left to read is open
  return {};
}

Result<FallbackRecording> FallbackRecorder::finish() {
  const Clock::time_point deadline = end_ + kReadTime;
  look_after_script();
  while (script_ != nullptr && Clock::now() < deadline) {
    TRY(loop_.run_once(kSlice));
    look_after_script();
  }
  if (script_ != nullptr) {
    end_script();  // names the tool
  }
  result_.duration = end_ - start_;
  result_.samples += result_.lost;
  result_.problem = problem_;
  return std::move(result_);
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

void FallbackRecorder::on_sample(const PerfSample& sample) {
  if (!is_wanted(sample)) {
    return;
  }
  Profile& profile = result_.profile;
  Profile::Stack stack{
      .container = profile.intern(names_.container(sample.pid, sample.time_ns)),
      .comm = profile.intern(names_.exec_name(sample.pid, sample.time_ns)),
      .frames = {},
      .process = told_apart_.contains(sample.pid) ? static_cast<std::uint32_t>(sample.pid) : 0};
  if (options_.counts_threads) {
    stack.frames.push_back(
        profile.intern(fmt::format("thread: {}", names_.thread_name(sample.tid))));
  }
  const bool is_empty = sample.frames.empty();
  if (is_empty || sample.is_cut) {
    stack.frames.push_back(
        profile.intern(kMarkerTexts[is_empty ? MARKER_lost_stack : MARKER_truncated_depth]));
    ++result_.truncated;
  }
  const std::size_t kernel_count = count_kernel_frames(sample.frames);
  for (std::size_t i = sample.frames.size(); i-- > 0;) {
    stack.frames.push_back(profile.intern(name_of(sample, i, kernel_count)));
  }
  profile.add(stack, 1);
  ++result_.samples;
  result_.event = event_name(sample.event);
}

}  // namespace waggle
