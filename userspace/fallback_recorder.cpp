// SPDX-License-Identifier: Apache-2.0
#include "userspace/fallback_recorder.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <variant>

#include "userspace/process/proc_fs.h"
#include "userspace/tools/perf/events.h"

namespace waggle {

using std::chrono::milliseconds;

namespace {

// With the moment that is given to a command, less than the ten seconds after its end in which a
// session is over whatever its tools do.  On a host without a CPU to spare they need seconds.
constexpr milliseconds kReadTime(7000);  // together
constexpr milliseconds kSlice(20);

// Not one that has ended and waits for its parent; its first thread may have ended alone.
bool is_alive(pid_t pid) {
  const Result<ProcStat> stat = ProcFs().read_stat(static_cast<std::uint32_t>(pid));
  return stat && ((stat->state != 'Z' && stat->state != 'X') || stat->thread_count > 1);
}

}  // namespace

FallbackRecorder::FallbackRecorder(FallbackOptions options, std::optional<WorkDirectory> directory,
                                   EventLoop loop, std::optional<ProcessStream> stream)
    : options_(std::move(options)),
      directory_(std::move(directory)),
      loop_(std::move(loop)),
      stream_(std::move(stream)),
      names_(options_.counts_threads) {
  own_.add(::getpid());
}

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
  recorder->has_bpf_events_ = trial.has_bpf_events;
  recorder->event_name_ = std::move(trial.name);
  return recorder;
}

Result<std::unique_ptr<FallbackRecorder>> FallbackRecorder::prepare_blind(FallbackOptions options) {
  options.perf.clear();
  EventLoop loop = TRY(EventLoop::open());
  std::optional<ProcessStream> heard;
  if (auto stream = ProcessStream::open()) {
    heard = *std::move(stream);
  }
  return std::unique_ptr<FallbackRecorder>(
      new FallbackRecorder(std::move(options), std::nullopt, std::move(loop), std::move(heard)));
}

void FallbackRecorder::select_pid(pid_t pid) {
  pids_.insert(pid);
  followed_.insert(pid);
}

Result<> FallbackRecorder::begin_names() {
  start_ = Clock::now();
  if (!stream_) {
    return {};
  }
  for (const int fd : stream_->fds()) {
    TRY(loop_.add(fd, [this] { drain_stream(); }));
  }
  return names_.scan();
}

Result<> FallbackRecorder::start() {
  TRY(begin_names());
  if (options_.perf.empty()) {
    return {};
  }
  if (options_.mode != PerfMode::dwarf) {
    TRY(start_walk(PerfMode::fp));
  }
  if (options_.mode != PerfMode::fp) {
    TRY(start_walk(PerfMode::dwarf));
  }
  return {};
}

void FallbackRecorder::go_on_blind() {
  walks_.clear();
  directory_.reset();
  options_.perf.clear();
  start_ = Clock::now();
}

Result<> FallbackRecorder::start_walk(PerfMode mode) {
  const std::string directory =
      fmt::format("{}/{}", directory_->path(), mode == PerfMode::dwarf ? "dwarf" : "fp");
  if (::mkdir(directory.c_str(), 0700) != 0) {
    return fail_errno(directory, errno);
  }
  Walk& walk = *walks_.emplace_back(std::make_unique<Walk>());
  walk.mode = mode;
  walk.sessions.emplace_back();
  const PerfRecordOptions record = {.perf = options_.perf,
                                    // With cgroups perf wants a name.
                                    .event = cgroups_.empty() ? event_ : event_name_,
                                    .frequency_hz = options_.frequency_hz,
                                    .mode = mode,
                                    .dwarf_stack_bytes = options_.dwarf_stack_bytes,
                                    .pids = {},
                                    .cgroups = cgroups_,
                                    .has_bpf_events = has_bpf_events_};
  const PerfSessionHooks hooks = {
      .on_sample = [this, &walk](const PerfSample& sample) { on_sample(sample, walk); },
      .add_own = [this](pid_t pid) { add_own(pid); },
      .find_targets = [this] { return find_targets(); }};
  PerfSessionLimits limits;
  if (!options_.restarts_large_perf) {
    limits.rss_bytes = std::numeric_limits<std::size_t>::max();
  }
  walk.session = TRY(PerfSession::start(record, is_host_wide(), directory, loop_, hooks, limits));
  if (walks_.size() == 1) {
    start_ = Clock::now();  // the first one's samples decide how many there are
  }
  return {};
}

RuntimeStacks FallbackRecorder::tell_apart(pid_t pid) {
  drain_stream();
  if (!stream_) {
    names_.notice(pid);
  }
  told_apart_.add(pid);
  const std::uint64_t now_ns = TableClock::now().monotonic_ns;
  return {.process = static_cast<std::uint32_t>(pid),
          .comm = names_.exec_name(pid, now_ns),
          .stacks = {},
          .error = {},
          .container = names_.container(pid, now_ns),
          .application = names_.application(pid, now_ns)};
}

void FallbackRecorder::drain_stream() {
  if (stream_) {
    stream_->drain([this](const ProcessRecord& record) { apply(record); });
  }
}

void FallbackRecorder::watch_execs() {
  watches_execs_ = true;
  if (!stream_) {
    new_processes_.begin();
  }
}

std::vector<std::uint32_t> FallbackRecorder::take_execs() {
  return stream_ ? std::exchange(execs_, {}) : new_processes_.take();
}

// A perf that is started later has to be told of the children that run by then.
void FallbackRecorder::apply(const ProcessRecord& record) {
  names_.apply(record);
  if (const auto* exec = std::get_if<ExecRecord>(&record); exec != nullptr && watches_execs_) {
    execs_.push_back(exec->pid);
  }
  const auto* fork = std::get_if<ForkRecord>(&record);
  if (!options_.follows_children || fork == nullptr || fork->is_thread() ||
      !followed_.contains(static_cast<pid_t>(fork->parent_pid))) {
    return;
  }
  followed_.insert(static_cast<pid_t>(fork->pid));
  if (followed_.size() > followed_limit_) {
    prune_followed();
    followed_limit_ = std::max(followed_limit_, 2 * followed_.size());
  }
}

void FallbackRecorder::prune_followed() {
  std::erase_if(followed_, [](pid_t pid) { return !is_alive(pid); });
}

std::vector<pid_t> FallbackRecorder::find_targets() {
  if (is_host_wide()) {
    return {};
  }
  drain_stream();
  prune_followed();
  return {followed_.begin(), followed_.end()};
}

bool FallbackRecorder::is_over() const {
  return walks_.empty() ? is_over_without_perf()
                        : std::ranges::all_of(
                              walks_, [](const auto& walk) { return walk->session->is_over(); });
}

bool FallbackRecorder::is_over_without_perf() const {
  return !pids_.empty() && std::ranges::none_of(followed_, is_alive);
}

bool FallbackRecorder::is_given_up() const {
  const auto is_left = [](const auto& walk) {
    return !walk->session->is_given_up() && !walk->session->is_over();
  };
  return std::ranges::none_of(walks_, is_left) &&
         std::ranges::any_of(walks_, [](const auto& walk) { return walk->session->is_given_up(); });
}

std::vector<std::string> FallbackRecorder::take_problems() {
  std::vector<std::string> problems = std::exchange(problems_, {});
  if (has_stopped_) {
    return problems;  // another thread may read on
  }
  for (const auto& walk : walks_) {
    for (const std::string& problem : walk->session->take_problems()) {
      problems.push_back(walk->mode == PerfMode::dwarf && walks_.size() > 1
                             ? fmt::format("{}: {}", tool_name(walk->mode), problem)
                             : problem);
    }
  }
  return problems;
}

Result<> FallbackRecorder::tick() {
  drain_stream();
  for (const auto& walk : walks_) {
    walk->session->tick();
  }
  end_whole();
  return {};
}

Result<> FallbackRecorder::housekeep() {
  names_.advance();
  const std::uint64_t now_ns = perf_time_ns(Clock::now());
  own_.prune(now_ns);
  told_apart_.prune(now_ns);
  return stream_ ? stream_->refresh_cpus([this](const ProcessRecord& record) { apply(record); })
                 : Result<>();
}

// Until all sessions say so.
Result<> FallbackRecorder::wait_for(Clock::time_point deadline, bool (PerfSession::*poll)()) {
  const auto is_waiting = [&] {
    // All of them: each has work to do meanwhile.
    return std::ranges::count_if(
               walks_, [&](const auto& walk) { return !(walk->session.get()->*poll)(); }) != 0;
  };
  while (is_waiting() && Clock::now() < deadline && !is_hurried_) {
    TRY(loop_.run_once(kSlice));
  }
  return {};
}

Result<> FallbackRecorder::stop() {
  end_ = Clock::now();
  for (const auto& walk : walks_) {
    walk->session->interrupt();
  }
  TRY(wait_for(end_ + stop_time_, &PerfSession::poll_stopped));
  for (const auto& walk : walks_) {
    walk->session->end();
  }
  directory_.reset();  // what is left to read is open
  problems_ = take_problems();
  has_stopped_ = true;
  return {};
}

std::future<FallbackRecording> FallbackRecorder::cut() {
  const Clock::time_point now = Clock::now();
  for (const auto& walk : walks_) {
    walk->session->cut(now);
    walk->sessions.emplace_back();
  }
  ended_.push_back({.start = std::exchange(start_, now),
                    .end = now,
                    .deadline = now + kReadTime,
                    .recording = {}});
  return ended_.back().recording.get_future();
}

bool FallbackRecorder::has_read_until(Clock::time_point time) const {
  return std::ranges::all_of(walks_, [time_ns = perf_time_ns(time)](const auto& walk) {
    return walk->session->has_read_until(time_ns);
  });
}

// Those that have all of their samples, or for which there is no more time.
void FallbackRecorder::end_whole() {
  while (!ended_.empty()) {
    Ended& ended = ended_.front();
    const bool is_whole = has_read_until(ended.end);
    if (!is_whole && Clock::now() < ended.deadline && !is_hurried_) {
      return;
    }
    for (const auto& walk : walks_) {
      walk->sessions.front().is_whole = is_whole;
    }
    ended.recording.set_value(take_session(ended.start, ended.end, ended.end));
    whole_until_ns_ = perf_time_ns(ended.end);
    ended_.pop_front();
  }
}

// The oldest one.
FallbackRecording FallbackRecorder::take_session(Clock::time_point start, Clock::time_point end,
                                                 Clock::time_point account_end) {
  std::vector<PerfWalk> walks;
  for (const auto& walk : walks_) {
    PerfWalk& taken = walks.emplace_back(std::move(walk->sessions.front()));
    walk->sessions.pop_front();
    taken.mode = walk->mode;
    taken.account = walk->session->take_account(account_end);
  }
  return make_fallback_recording(
      std::move(walks),
      {.event = event_name_, .frequency_hz = options_.frequency_hz, .duration = end - start},
      [this](std::uint32_t process) { return told_apart_.contains(static_cast<pid_t>(process)); });
}

// Once it has stopped nobody else does.
Result<> FallbackRecorder::read_on() {
  TRY(loop_.run_once(kSlice));
  for (const auto& walk : walks_) {
    (void)walk->session->poll_read();
  }
  end_whole();
  return {};
}

Result<FallbackRecording> FallbackRecorder::wait(const std::weak_ptr<FallbackRecorder>& recorder,
                                                 std::future<FallbackRecording> ended) {
  try {
    while (ended.wait_for(kSlice) != std::future_status::ready) {
      const std::shared_ptr<FallbackRecorder> read = recorder.lock();
      if (read != nullptr && read->has_stopped_) {
        TRY(read->read_on());
      }
    }
    return ended.get();
  } catch (const std::future_error&) {
    return fail(Errc::system, "the recording ended before perf's data was read");
  }
}

Result<FallbackRecording> FallbackRecorder::finish() {
  TRY(wait_for(end_ + kReadTime, &PerfSession::poll_read));
  for (const auto& walk : walks_) {
    walk->session->end_reading();
  }
  end_whole();
  has_stopped_ = false;  // nothing is left to be read on, and take_problems() has what reading told
  return take_session(start_, end_, Clock::time_point::max());
}

}  // namespace waggle
