// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/session.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kStartTime(8000);
constexpr milliseconds kOldTime(8000);  // for one that was replaced to write the end of its data
constexpr milliseconds kLongestPause(60'000);
constexpr std::size_t kMaxProblems = 16;

// perf dies of the signal that it was stopped with.
bool has_ended_well(const ToolEnd& end) {
  return end.is_ok() ||
         (!end.is_killed && WIFSIGNALED(end.wait_status) && WTERMSIG(end.wait_status) == SIGINT);
}

bool is_crash(const ToolEnd& end) {
  return !end.is_killed && WIFSIGNALED(end.wait_status) && WTERMSIG(end.wait_status) == SIGSEGV;
}

// 0: it is gone.
std::size_t rss_bytes_of(pid_t pid) {
  const Result<std::string> statm = read_file(fmt::format("/proc/{}/statm", pid), 256);
  const auto fields = split(statm ? std::string_view(*statm) : std::string_view(), ' ');
  const auto pages =
      fields.size() > 1 ? parse_number<std::size_t>(fields[1]) : std::optional<std::size_t>();
  return pages.value_or(0) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

PerfSession::PerfSession(PerfRecordOptions record, bool is_whole_host, std::string directory,
                         EventLoop& loop, PerfSessionHooks hooks, const PerfSessionLimits& limits)
    : record_(std::move(record)),
      is_whole_host_(is_whole_host),
      directory_(std::move(directory)),
      loop_(loop),
      hooks_(std::move(hooks)),
      limits_(limits),
      reader_(record_.perf, limits_.waiting_bytes, loop_, reader_hooks()) {}

PerfSession::~PerfSession() {
  for (const auto* run : {&current_, &next_, &old_}) {
    if (*run) {
      (*run)->outputs.remove_all(loop_);
    }
  }
}

Result<std::unique_ptr<PerfSession>> PerfSession::start(PerfRecordOptions record,
                                                        bool is_whole_host, std::string directory,
                                                        EventLoop& loop, PerfSessionHooks hooks,
                                                        const PerfSessionLimits& limits) {
  std::unique_ptr<PerfSession> session(new PerfSession(
      std::move(record), is_whole_host, std::move(directory), loop, std::move(hooks), limits));
  session->current_ = TRY(session->start_run(session->hooks_.find_targets()));
  Run& run = *session->current_;
  TRY(run.recording.wait_until_sampling(Clock::now() + kStartTime));
  run.start = Clock::now();
  run.segment_start = run.start;
  run.taken_until = run.start;
  return session;
}

// Each has a directory of its own: two can run at a time.
Result<std::unique_ptr<PerfSession::Run>> PerfSession::start_run(std::vector<pid_t> targets) {
  std::string directory = fmt::format("{}/{}", directory_, ++run_count_);
  if (::mkdir(directory.c_str(), 0700) != 0) {
    return fail_errno(directory, errno);
  }
  PerfRecordOptions options = record_;
  options.pids = std::move(targets);
  const Clock::time_point now = Clock::now();
  auto run = std::make_unique<Run>(Run{.recording = TRY(PerfRecording::start(options, directory)),
                                       .directory = std::move(directory),
                                       .start = now,
                                       .segment_start = now,
                                       .taken_until = now,
                                       .earliest = now,
                                       .rolled = std::nullopt,
                                       .outputs = {}});
  hooks_.add_own(run->recording.pid());
  TRY(run->outputs.add(loop_, run->recording, [this, started = run.get()] {
    started->recording.read();
    started->outputs.remove_ended(loop_, started->recording);
  }));
  return run;
}

void PerfSession::note_problem(std::string text, Clock::time_point since) {
  if (unaccounted_.size() < kMaxProblems) {
    unaccounted_.push_back({.time = since, .text = text});
  }
  if (problems_.size() < kMaxProblems) {
    problems_.push_back(std::move(text));
  }
}

std::vector<std::string> PerfSession::take_problems() {
  return std::exchange(problems_, {});
}

void PerfSession::count_failure(const std::string& why) {
  if (!current_ && !down_) {
    down_ = {.time = Clock::now(), .text = why};
  }
  if (++failures_ > limits_.max_failures && !current_) {
    state_ = State::given_up;
    note_problem(fmt::format("{}; perf is given up after {} failures", why, failures_));
    return;
  }
  constexpr int kMaxDoublings = 16;
  const milliseconds pause =
      std::min(limits_.first_pause * (1 << std::min(failures_ - 1, kMaxDoublings)), kLongestPause);
  retry_ = Clock::now() + pause;
}

void PerfSession::start_next() {
  std::vector<pid_t> targets = hooks_.find_targets();
  if (targets.empty() && !is_whole_host_) {
    if (!current_) {
      state_ = State::over;
    }
    return;
  }
  auto run = start_run(std::move(targets));
  if (!run) {
    fail_start(run.error().what);
    return;
  }
  next_ = *std::move(run);
}

void PerfSession::fail_start(const std::string& why) {
  if (failures_ == 0) {
    note_problem(why);  // the next ones say the same
  }
  count_failure(why);
}

void PerfSession::look_after_next() {
  if (!next_) {
    return;
  }
  next_->recording.read();
  if (const std::optional<ToolEnd> end = next_->recording.poll_end()) {
    const std::string why =
        fmt::format("perf record {}: {}", end->text(), next_->recording.last_line());
    end_run(next_, *end);
    fail_start(why);
  } else if (next_->recording.is_sampling()) {
    replace();
  } else if (Clock::now() - next_->start > kStartTime) {
    end_run(next_, next_->recording.kill());
    fail_start("perf record does not begin to sample");
  }
}

// Both sample now: the one's samples count up to this time, the other's from it on.
void PerfSession::replace() {
  const Clock::time_point now = Clock::now();
  next_->from_ns = perf_time_ns(now);
  next_->start = now;
  next_->segment_start = now;
  next_->taken_until = now;
  gaps_.end(now);
  if (current_) {
    if (now - current_->start >= limits_.calm) {
      failures_ = 0;
    }
    current_->until_ns = next_->from_ns;
    current_->recording.interrupt();
    old_ = std::move(current_);
    old_deadline_ = now + kOldTime;
  }
  current_ = std::move(next_);
  down_.reset();
  ++restarts_;
}

void PerfSession::look_after_old() {
  if (!old_) {
    return;
  }
  if (const std::optional<ToolEnd> end = old_->recording.poll_end()) {
    end_run(old_, *end);
  } else if (Clock::now() > old_deadline_) {
    gaps_.add(old_->segment_start, Clock::time_point(std::chrono::nanoseconds(old_->until_ns)));
    end_run(old_, old_->recording.kill());
  }
}

void PerfSession::look_after_current() {
  if (!current_) {
    return;
  }
  const std::optional<ToolEnd> end = current_->recording.poll_end();
  if (!end) {
    take_segments(*current_);
    return;
  }
  const Clock::time_point now = Clock::now();
  if (now - current_->start >= limits_.calm) {
    failures_ = 0;
  }
  gaps_.begin(current_->segment_start);
  const std::string last_line = current_->recording.last_line();
  end_run(current_, *end);
  if (!is_whole_host_ && hooks_.find_targets().empty()) {
    state_ = State::over;
    gaps_.forget();
    return;
  }
  if (has_ended_well(*end)) {
    note_problem(fmt::format("perf record ended unasked: {}", last_line));
  }
  count_failure(fmt::format("perf record {}", end->text()));
}

bool PerfSession::is_worn_out(const Run& run) const {
  return Clock::now() - run.start >= limits_.age ||
         rss_bytes_of(run.recording.pid()) > limits_.rss_bytes;
}

void PerfSession::tick() {
  look_after_old();
  look_after_next();
  look_after_current();
  reader_.tick();
  if (state_ != State::running) {
    return;
  }
  const bool may_start = !next_ && !old_ && Clock::now() >= retry_;
  if (may_start && (!current_ || is_worn_out(*current_))) {
    if (current_ && Clock::now() - current_->start < limits_.calm) {
      count_failure("");  // grows at once each time: less and less often
    }
    start_next();
  }
  if (current_) {
    roll(*current_);
  }
}

// What it has written is kept.
void PerfSession::end_run(std::unique_ptr<Run>& run, const ToolEnd& end) {
  ended_cpu_time_ += end.cpu_time;
  run->recording.read();
  run->outputs.remove_all(loop_);
  const bool is_told = is_crash(end) && std::exchange(has_told_crash_, true);
  if (!has_ended_well(end) && run != next_ && !is_told) {
    note_problem(end.is_killed
                     ? "perf record did not end on SIGINT and was killed"
                     : fmt::format("perf record {}: {}", end.text(), run->recording.last_line()));
  }
  take_segments(*run);
  if (!has_ended_well(end)) {
    if (auto rest = run->recording.take_rest()) {
      add_segment(*run, *std::move(rest));
    }
  }
  (void)::rmdir(run->directory.c_str());  // goes with its parent otherwise
  run.reset();
}

void PerfSession::interrupt() {
  gaps_.end(Clock::now());
  state_ = state_ == State::running ? State::stopping : state_;
  if (next_) {
    end_run(next_, next_->recording.kill());
  }
  if (current_) {
    current_->recording.interrupt();
  }
}

bool PerfSession::poll_stopped() {
  for (auto* run : {&old_, &current_}) {
    if (*run) {
      if (const std::optional<ToolEnd> end = (*run)->recording.poll_end()) {
        end_run(*run, *end);
      }
    }
  }
  reader_.tick();
  return !old_ && !current_;
}

void PerfSession::end() {
  for (auto* run : {&old_, &current_}) {
    if (*run) {
      gaps_.add((*run)->segment_start, Clock::now());
      end_run(*run, (*run)->recording.kill());
    }
  }
}

}  // namespace waggle
