// SPDX-License-Identifier: Apache-2.0
#include "userspace/py_spy_session.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <span>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "userspace/process/process_table.h"
#include "userspace/runtimes/python/frame_text.h"
#include "userspace/tools/external_tools.h"
#include "userspace/tools/py_spy/selection.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// Less than the seven seconds that perf's data may take to read, and the ten in which a session
// is over whatever its tools do.
constexpr seconds kStopTime(6);
constexpr milliseconds kSlice(20);
constexpr milliseconds kFirstLook(1000);  // at what runs at the start; the rest by the way
constexpr milliseconds kLaterLook(20);
// Of a process that was just started, or of what it starts.
constexpr milliseconds kLookInterval(200);
constexpr milliseconds kLaterInterval(1000);
constexpr seconds kEarly(2);
constexpr int kMaxLooks = 30;
// Three descriptors each, of 1,024 that a process may have.
constexpr std::size_t kMaxRuns = 128;
constexpr std::size_t kMaxProblems = 8;
constexpr std::size_t kMaxListed = 10;
// As gProfiler's --min-profiling-duration, unless the process was asked for.
constexpr std::uint64_t kYoungNs = 10'000'000'000;

std::string read_command_line(pid_t pid) {
  constexpr std::size_t kMaxBytes = 16384;
  std::string text(kMaxBytes, '\0');
  const auto fd = open_file(fmt::format("/proc/{}/cmdline", pid), O_RDONLY);
  const auto size =
      fd ? read_at(fd->get(), 0, std::as_writable_bytes(std::span(text))) : Result<std::size_t>(0);
  text.resize(size.value_or(0));
  std::ranges::replace(text, '\0', ' ');
  return text;
}

PySpyCandidate read_candidate(pid_t pid, const ProcFs& proc) {
  PySpyCandidate candidate;
  std::error_code gone;
  candidate.program =
      std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), gone).string();
  candidate.command_line = read_command_line(pid);
  constexpr std::size_t kMaxMapped = 4096;
  (void)proc.read_code(static_cast<std::uint32_t>(pid), [&](const MapsEntry& entry) {
    if (entry.inode != 0 && candidate.mapped.size() < kMaxMapped) {
      candidate.mapped.emplace_back(entry.path);
    }
  });  // it may be gone: nothing is mapped then
  return candidate;
}

std::uint64_t age_ns(const ProcStat& stat) {
  const TableClock now = TableClock::now();
  const std::uint64_t boottime_ns = now.monotonic_ns + now.boottime_offset_ns;
  const std::uint64_t start_ns = stat.start_ticks * kTickNs;
  return boottime_ns > start_ns ? boottime_ns - start_ns : 0;
}

}  // namespace

PySpySession::PySpySession(PySpySessionOptions options, PySpyHooks hooks, EventLoop loop)
    : options_(std::move(options)), hooks_(std::move(hooks)), loop_(std::move(loop)) {}

PySpySession::~PySpySession() {
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended) {
      (void)run->recording.end();
      (void)run->recording.resume_target();
    }
  }
}

Result<std::unique_ptr<PySpySession>> PySpySession::prepare(const PySpySessionOptions& options,
                                                            PySpyHooks hooks) {
  EventLoop loop = TRY(EventLoop::open());
  std::unique_ptr<PySpySession> session(
      new PySpySession(options, std::move(hooks), std::move(loop)));
  if (!options.path.empty()) {
    session->tool_ = TRY(locate_tool("py-spy", options.path));
  }
  return session;
}

void PySpySession::start() {
  start_ = Clock::now();
  queue_.insert(queue_.end(), options_.named.begin(), options_.named.end());
  if (options_.takes_all && !options_.is_pid_filtered) {
    if (const auto pids = proc_.list_pids()) {
      queue_.insert(queue_.end(), pids->begin(), pids->end());
    }
  }
  look_around();
  work_off(kFirstLook);
  std::ranges::move(excluded_texts(), std::back_inserter(problems_));  // but no failures
}

// At the selected processes, and what they have started meanwhile.
void PySpySession::look_around() {
  if (!options_.takes_all || !options_.is_pid_filtered) {
    return;
  }
  looked_ = Clock::now();
  if (options_.follows_children) {
    for (const std::uint32_t pid : proc_.list_pids().value_or(std::vector<std::uint32_t>())) {
      const auto stat = proc_.read_stat(pid);
      if (stat && selected_.contains(static_cast<pid_t>(stat->parent_pid))) {
        selected_.insert(static_cast<pid_t>(pid));
      }
    }
  }
  for (const pid_t pid : selected_) {
    if (!decided_.contains(pid) && looks_[pid] < kMaxLooks) {
      queue_.push_back(pid);
    }
  }
}

void PySpySession::work_off(milliseconds limit) {
  const Clock::time_point end = Clock::now() + limit;
  while (!queue_.empty() && Clock::now() < end) {
    const pid_t pid = queue_.front();
    queue_.pop_front();
    if (!decided_.contains(pid)) {
      look_at(pid);
    }
  }
}

void PySpySession::look_at(pid_t pid) {
  const auto stat = proc_.read_stat(static_cast<std::uint32_t>(pid));
  const bool can_have_python = stat && !stat->is_kernel_thread && pid != ::getpid();
  if (!can_have_python) {
    return;
  }
  const auto python = find_python_file(pid, files_);
  if (!python || !*python) {
    ++looks_[pid];  // it may still become one
    return;
  }
  if (!is_wanted(pid, *stat) || !find_tool()) {
    decided_.insert(pid);
    return;
  }
  if (runs_.size() >= kMaxRuns) {
    exclude(fmt::format("more than {} Pythons at once", kMaxRuns), pid);
    decided_.insert(pid);
    return;
  }
  decided_.insert(pid);
  start_run(pid);
}

bool PySpySession::is_wanted(pid_t pid, const ProcStat& stat) {
  if (std::ranges::find(options_.named, pid) != options_.named.end()) {
    return true;
  }
  const PySpyVerdict verdict = judge_for_py_spy(read_candidate(pid, proc_));
  if (verdict != PySpyVerdict::take) {
    exclude(std::string(py_spy_verdict_text(verdict)), pid);
    return false;
  }
  if (!options_.is_pid_filtered && age_ns(stat) < kYoungNs) {
    exclude(fmt::format("younger than {} s", kYoungNs / 1'000'000'000), pid);
    return false;
  }
  return true;
}

bool PySpySession::find_tool() {
  if (tool_) {
    return !tool_->empty();
  }
  if (auto found = locate_tool("py-spy", "")) {
    tool_ = *std::move(found);
    return true;
  } else {
    tool_ = "";
    note_problem(fmt::format("{}; continuing without the functions of Python", found.error().what));
    return false;
  }
}

void PySpySession::start_run(pid_t pid) {
  if (!directory_) {
    auto directory = WorkDirectory::make();
    if (!directory) {
      note_problem(fmt::format("{}, continuing without py-spy", directory.error().what));
      return;
    }
    directory_.emplace(*std::move(directory));
  }
  const std::string comm = hooks_.tell_apart(pid);
  auto recording = PySpyRecording::start(*tool_, pid, options_.py_spy, directory_->path());
  if (!recording) {
    note_problem(fmt::format("process {} ({}): {}, continuing with native frames there", pid, comm,
                             recording.error().what));
    return;
  }
  hooks_.add_own(recording->pid());
  auto run = std::make_unique<Run>(Run{
      .recording = *std::move(recording),
      .result = {
          .process = static_cast<std::uint32_t>(pid), .comm = comm, .stacks = {}, .error = {}}});
  Run& watched = *run;
  runs_.emplace(pid, std::move(run));
  if (const Result<> is_watched = watch(watched); !is_watched) {
    note_problem(is_watched.error().what);
  }
}

Result<> PySpySession::watch(Run& run) {
  run.output = run.recording.output_fd();
  TRY(loop_.add(run.output, [this, &run] { read(run); }));
  run.errors = run.recording.errors_fd();
  return loop_.add(run.errors, [this, &run] { read(run); });
}

void PySpySession::read(Run& run) {
  run.recording.read();
  if (run.output >= 0 && run.recording.output_fd() < 0) {
    loop_.remove(std::exchange(run.output, -1));
  }
  if (run.errors >= 0 && run.recording.errors_fd() < 0) {
    loop_.remove(std::exchange(run.errors, -1));
  }
}

void PySpySession::forget(Run& run) {
  for (int* fd : {&run.output, &run.errors}) {
    if (*fd >= 0) {
      loop_.remove(std::exchange(*fd, -1));
    }
  }
}

// Ends it if it has not, and takes what it wrote.
void PySpySession::end_run(Run& run) {
  forget(run);
  run.has_ended = true;
  const ToolEnd end = run.recording.end();
  cpu_time_ += end.cpu_time;
  if (run.recording.resume_target()) {
    note_problem(fmt::format("py-spy left process {} ({}) stopped; it goes on now",
                             run.recording.target(), run.result.comm));
  }
  take_stacks(run, end);
}

void PySpySession::add_stack(const PySpyStack& stack, Run& run) {
  Profile& profile = run.result.stacks;
  Profile::Stack added{.container = profile.intern(""), .comm = profile.intern(""), .frames = {}};
  if (!stack.thread.empty()) {
    // The name that it has in Python, else the kernel's.
    const auto tid = parse_number<pid_t>(stack.thread);
    const std::string name = tid ? hooks_.thread_name(run.recording.target(), *tid) : "";
    added.frames.push_back(
        profile.intern(fmt::format("thread: {}", name.empty() ? stack.thread : name)));
  }
  for (const PySpyFrame& frame : stack.frames) {
    added.frames.push_back(profile.intern(
        python_frame_text({.file = frame.file, .name = frame.name, .line = frame.line})));
  }
  profile.add(added, stack.count);
}

void PySpySession::take_stacks(Run& run, const ToolEnd& end) {
  const std::string who = fmt::format("process {} ({})", run.recording.target(), run.result.comm);
  const auto counters = run.recording.read_stacks(
      end, [this, &run](const PySpyStack& stack) { add_stack(stack, run); });
  if (!counters) {
    const std::string& reason = counters.error().what;
    run.result.stacks = Profile();
    run.result.error = fmt::format("[Profiling error: {}]", reason);
    const bool has_said = !end.is_killed && WIFEXITED(end.wait_status) && !end.is_ok();
    note_problem(fmt::format("{}: {}{}, continuing with native frames there", who, reason,
                             has_said ? ": " + run.recording.last_line() : ""));
  } else if (counters->bad_lines != 0) {
    note_problem(
        fmt::format("{}: py-spy wrote {} lines that cannot be read", who, counters->bad_lines));
  }
}

void PySpySession::tick() {
  const bool is_early = Clock::now() - start_ < kEarly;
  if (Clock::now() - looked_ >= (is_early ? kLookInterval : kLaterInterval)) {
    look_around();
  }
  work_off(kLaterLook);
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended && run->recording.poll_end()) {
      end_run(*run);
    }
  }
}

void PySpySession::interrupt() {
  deadline_ = Clock::now() + kStopTime;
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended) {
      run->recording.interrupt();
    }
  }
}

Result<PySpyResult> PySpySession::finish(Profile system) {
  const auto is_running = [](const auto& entry) { return !entry.second->has_ended; };
  while (std::ranges::any_of(runs_, is_running) && Clock::now() < deadline_) {
    TRY(loop_.run_once(kSlice));
    for (const auto& [pid, run] : runs_) {
      if (!run->has_ended && run->recording.poll_end()) {
        end_run(*run);
      }
    }
  }
  std::vector<RuntimeStacks> stacks;
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended) {
      end_run(*run);
    }
    stacks.push_back(std::move(run->result));
  }
  PySpyResult result;
  result.excluded = excluded_texts();
  if (decided_.empty()) {
    result.profile = std::move(system);
    return result;
  }
  MergedProfile merged = merge_runtime_stacks(system, stacks);
  result.profile = std::move(merged.profile);
  result.added = merged.added;
  result.cpu_time = cpu_time_;
  if (!first_problem_.empty()) {
    result.state = first_problem_;
  } else if (!runs_.empty()) {
    result.state = "ok";
  }
  return result;
}

void PySpySession::exclude(const std::string& reason, pid_t pid) {
  excluded_[reason].push_back(pid);
}

// "py-spy: 2 processes (12, 13): embedded Python"
std::vector<std::string> PySpySession::excluded_texts() const {
  std::vector<std::string> texts;
  for (const auto& [reason, pids] : excluded_) {
    const auto listed = std::span(pids).first(std::min(pids.size(), kMaxListed));
    texts.push_back(fmt::format("py-spy: {} process{} left out ({}{}): {}", pids.size(),
                                pids.size() == 1 ? "" : "es", fmt::join(listed, ", "),
                                listed.size() < pids.size() ? ", ..." : "", reason));
  }
  return texts;
}

void PySpySession::note_problem(std::string text) {
  if (first_problem_.empty()) {
    first_problem_ = text;
  }
  if (++problem_count_ <= kMaxProblems) {
    problems_.push_back(std::move(text));
  }
}

std::vector<std::string> PySpySession::take_problems() {
  return std::exchange(problems_, {});
}

}  // namespace waggle
