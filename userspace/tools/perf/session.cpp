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
constexpr seconds kSilence(10);         // a script that prints nothing for so long hangs
constexpr milliseconds kLongestPause(60'000);
constexpr milliseconds kRollTime(1000);
constexpr std::size_t kMaxProblems = 16;

// perf dies of the signal that it was stopped with.
bool has_ended_well(const ToolEnd& end) {
  return end.is_ok() ||
         (!end.is_killed && WIFSIGNALED(end.wait_status) && WTERMSIG(end.wait_status) == SIGINT);
}

bool is_crash(const ToolEnd& end) {
  return !end.is_killed && WIFSIGNALED(end.wait_status) && WTERMSIG(end.wait_status) == SIGSEGV;
}

// perf's clock, as perf_record_command() chooses it.
std::uint64_t now_ns(std::chrono::steady_clock::time_point now) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count());
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
      limits_(limits) {}

PerfSession::~PerfSession() {
  for (const auto* run : {&current_, &next_, &old_}) {
    if (*run) {
      (*run)->outputs.remove_all(loop_);
    }
  }
  script_outputs_.remove_all(loop_);
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
  auto run = std::make_unique<Run>(Run{.recording = TRY(PerfRecording::start(options, directory)),
                                       .directory = std::move(directory),
                                       .start = Clock::now(),
                                       .segment_start = Clock::now(),
                                       .taken_until = Clock::now(),
                                       .outputs = {}});
  hooks_.add_own(run->recording.pid());
  TRY(run->outputs.add(loop_, run->recording, [this, started = run.get()] {
    started->recording.read();
    started->outputs.remove_ended(loop_, started->recording);
  }));
  return run;
}

void PerfSession::note_problem(std::string text) {
  if (first_problem_.empty()) {
    first_problem_ = text;
  }
  if (problems_.size() < kMaxProblems) {
    problems_.push_back(std::move(text));
  }
}

std::vector<std::string> PerfSession::take_problems() {
  return std::exchange(problems_, {});
}

void PerfSession::count_failure(const std::string& why) {
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
  next_->from_ns = now_ns(now);
  next_->start = now;
  next_->segment_start = now;
  next_->taken_until = now;
  if (gap_start_) {
    counters_.gap += now - *std::exchange(gap_start_, std::nullopt);
  }
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
  ++counters_.restarts;
}

void PerfSession::look_after_old() {
  if (!old_) {
    return;
  }
  if (const std::optional<ToolEnd> end = old_->recording.poll_end()) {
    end_run(old_, *end);
  } else if (Clock::now() > old_deadline_) {
    counters_.gap += std::chrono::nanoseconds(old_->until_ns - now_ns(old_->segment_start));
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
  gap_start_ = current_->segment_start;
  const std::string last_line = current_->recording.last_line();
  end_run(current_, *end);
  if (!is_whole_host_ && hooks_.find_targets().empty()) {
    state_ = State::over;
    gap_start_.reset();
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

void PerfSession::roll(Run& run) {
  const bool is_idle = script_ == nullptr && segments_.empty();
  const Clock::duration age = Clock::now() - run.segment_start;
  const bool is_due = age >= (is_idle ? limits_.segment : limits_.longest_segment);
  // perf needs a moment to begin another.
  const bool is_large = age >= kRollTime && run.recording.segment_bytes() >= limits_.segment_bytes;
  if (is_due || is_large) {
    run.segment_start = Clock::now();
    (void)run.recording.roll();  // it may have ended: the next tick sees that
  }
}

void PerfSession::tick() {
  look_after_old();
  look_after_next();
  look_after_current();
  look_after_script();
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
  counters_.cpu_time += end.cpu_time;
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

void PerfSession::take_segments(Run& run) {
  for (UniqueFd& data : run.recording.take_segments()) {
    add_segment(run, std::move(data));
  }
}

void PerfSession::add_segment(Run& run, UniqueFd data) {
  const Clock::time_point now = Clock::now();
  struct stat status{};
  (void)::fstat(data.get(), &status);  // it is open
  segments_.push_back({.data = std::move(data),
                       .bytes = static_cast<std::uint64_t>(status.st_size),
                       .from_ns = run.from_ns,
                       .until_ns = run.until_ns,
                       .span = now - std::exchange(run.taken_until, now)});
  drop_segments();
}

// A disk that is full helps nobody; the newest say more of what goes on.
void PerfSession::drop_segments() {
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) {
    bytes += segment.bytes;
  }
  bool is_dropped = false;
  while (bytes > limits_.waiting_bytes && segments_.size() > 1) {
    bytes -= segments_.front().bytes;
    counters_.gap += segments_.front().span;
    segments_.pop_front();
    is_dropped = true;
  }
  if (is_dropped && !std::exchange(has_told_drop_, true)) {
    note_problem("perf script is too slow: data was dropped unread");
  }
}

Result<> PerfSession::start_script() {
  const Segment segment = std::move(segments_.front());
  segments_.pop_front();
  script_ = TRY(PerfScript::start(
      record_.perf, segment.data,
      [this, from_ns = segment.from_ns, until_ns = segment.until_ns](const PerfSample& sample) {
        if (sample.time_ns >= from_ns && sample.time_ns < until_ns) {
          hooks_.on_sample(sample);
        }
      }));
  hooks_.add_own(script_->pid());
  script_heard_ = Clock::now();
  return script_outputs_.add(loop_, *script_, [this] {
    script_heard_ = Clock::now();
    script_->read();
    script_outputs_.remove_ended(loop_, *script_);
  });
}

void PerfSession::end_script() {
  script_outputs_.remove_all(loop_);
  const ToolEnd end = script_->finish();
  counters_.cpu_time += end.cpu_time;
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
  counters_.lost += script_->facts().lost_records;
  counters_.throttled += script_->facts().throttled;
  script_.reset();
}

void PerfSession::look_after_script() {
  if (script_ != nullptr && (script_->has_ended() || Clock::now() - script_heard_ > kSilence)) {
    end_script();
  }
  if (script_ == nullptr && !segments_.empty()) {
    if (const Result<> started = start_script(); !started) {
      note_problem(started.error().what);
    }
  }
}

void PerfSession::interrupt() {
  if (gap_start_) {
    counters_.gap += Clock::now() - *std::exchange(gap_start_, std::nullopt);
  }
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
  look_after_script();
  return !old_ && !current_;
}

void PerfSession::end() {
  for (auto* run : {&old_, &current_}) {
    if (*run) {
      counters_.gap += Clock::now() - (*run)->segment_start;
      end_run(*run, (*run)->recording.kill());
    }
  }
}

bool PerfSession::poll_read() {
  look_after_script();
  return script_ == nullptr && segments_.empty();
}

void PerfSession::end_reading() {
  if (script_ != nullptr) {
    end_script();  // names the tool
  }
  if (!segments_.empty()) {
    note_problem(fmt::format("{} part{} of its data not read: there was no time", segments_.size(),
                             segments_.size() == 1 ? "" : "s"));
    segments_.clear();
  }
}

}  // namespace waggle
