// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/py_spy_session.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/text.h"
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
// Three descriptors each, of 1,024 that a process may have.
constexpr std::size_t kMaxRuns = 128;

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

}  // namespace

PySpySession::PySpySession(PySpySessionOptions options, RuntimeHooks hooks, EventLoop loop)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      loop_(std::move(loop)),
      processes_(options_.targets,
                 [this](pid_t pid, const ProcStat& stat) { return look_at(pid, stat); }) {}

PySpySession::~PySpySession() {
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended) {
      (void)run->recording.end();
      (void)run->recording.resume_target();
    }
  }
}

Result<std::unique_ptr<PySpySession>> PySpySession::prepare(const PySpySessionOptions& options,
                                                            RuntimeHooks hooks) {
  EventLoop loop = TRY(EventLoop::open());
  std::unique_ptr<PySpySession> session(
      new PySpySession(options, std::move(hooks), std::move(loop)));
  if (!options.path.empty()) {
    session->tool_ = TRY(locate_tool("py-spy", options.path));
  }
  return session;
}

void PySpySession::start() {
  processes_.start();
  for (std::string& text : notes_.excluded()) {
    notes_.tell(std::move(text));
  }
}

PySpySession::Verdict PySpySession::look_at(pid_t pid, const ProcStat& stat) {
  const auto python = find_python_file(pid, files_);
  if (!python || !*python) {
    return Verdict::not_yet;
  }
  if (is_wanted(pid, stat) && find_tool()) {
    if (runs_.size() < kMaxRuns) {
      start_run(pid);
    } else {
      notes_.exclude(fmt::format("more than {} Pythons at once", kMaxRuns), pid);
    }
  }
  return Verdict::decided;
}

bool PySpySession::is_wanted(pid_t pid, const ProcStat& stat) {
  if (processes_.is_named(pid)) {
    return true;
  }
  const PySpyVerdict verdict = judge_for_py_spy(read_candidate(pid, proc_));
  if (verdict != PySpyVerdict::take) {
    notes_.exclude(std::string(py_spy_verdict_text(verdict)), pid);
    return false;
  }
  if (processes_.is_too_young(stat)) {
    notes_.exclude(fmt::format("younger than {} s", kYoungProcess.count()), pid);
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
    notes_.add_problem(
        fmt::format("{}; continuing without the functions of Python", found.error().what));
    return false;
  }
}

void PySpySession::start_run(pid_t pid) {
  if (!directory_) {
    auto directory = WorkDirectory::make();
    if (!directory) {
      notes_.add_problem(fmt::format("{}, continuing without py-spy", directory.error().what));
      return;
    }
    directory_.emplace(*std::move(directory));
  }
  const std::string comm = hooks_.tell_apart(pid);
  auto recording = PySpyRecording::start(*tool_, pid, options_.py_spy, directory_->path());
  if (!recording) {
    notes_.add_problem(fmt::format("process {} ({}): {}, continuing with native frames there", pid,
                                   comm, recording.error().what));
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
    notes_.add_problem(is_watched.error().what);
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
    notes_.add_problem(fmt::format("py-spy left process {} ({}) stopped; it goes on now",
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
    notes_.add_problem(fmt::format("{}: {}{}, continuing with native frames there", who, reason,
                                   has_said ? ": " + run.recording.last_line() : ""));
  } else if (counters->bad_lines != 0) {
    notes_.add_problem(
        fmt::format("{}: py-spy wrote {} lines that cannot be read", who, counters->bad_lines));
  }
}

void PySpySession::tick() {
  processes_.tick();
  end_ended();
}

void PySpySession::end_ended() {
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

Result<RuntimeReport> PySpySession::finish() {
  const auto is_running = [](const auto& entry) { return !entry.second->has_ended; };
  while (std::ranges::any_of(runs_, is_running) && Clock::now() < deadline_) {
    TRY(loop_.run_once(kSlice));
    end_ended();
  }
  RuntimeReport report{
      .stacks = {}, .tool = "py-spy", .state = {}, .excluded = notes_.excluded(), .cpu_time = {}};
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended) {
      end_run(*run);
    }
    report.stacks.push_back(std::move(run->result));
  }
  if (!notes_.first_problem().empty()) {
    report.state = notes_.first_problem();
  } else if (!runs_.empty()) {
    report.state = "ok";
  }
  report.cpu_time = cpu_time_;
  return report;
}

}  // namespace waggle
