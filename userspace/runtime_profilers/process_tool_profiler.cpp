// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/process_tool_profiler.h"

#include <fmt/core.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kSlice(20);
// Three descriptors each, of 1,024 that a process may have.
constexpr std::size_t kMaxRuns = 128;

}  // namespace

ProcessToolProfiler::ProcessToolProfiler(std::unique_ptr<ProcessTool> tool, NeededTool program,
                                         RuntimeTargets targets, RuntimeHooks hooks, EventLoop loop)
    : tool_(std::move(tool)),
      hooks_(std::move(hooks)),
      loop_(std::move(loop)),
      processes_(std::move(targets),
                 [this](pid_t pid, const ProcStat& stat) { return look_at(pid, stat); }),
      notes_(std::string(tool_->name())),
      program_(std::move(program)) {}

ProcessToolProfiler::~ProcessToolProfiler() {
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended) {
      (void)run->recording.end();
      (void)run->recording.resume_target();
    }
  }
}

Result<std::unique_ptr<ProcessToolProfiler>> ProcessToolProfiler::prepare(
    std::unique_ptr<ProcessTool> tool, const std::string& path, RuntimeTargets targets,
    RuntimeHooks hooks) {
  EventLoop loop = TRY(EventLoop::open());
  NeededTool program = TRY(NeededTool::prepare(tool->name(), path));
  return std::unique_ptr<ProcessToolProfiler>(new ProcessToolProfiler(
      std::move(tool), std::move(program), std::move(targets), std::move(hooks), std::move(loop)));
}

// Once all that ran at the start was looked at.
void ProcessToolProfiler::tell_excluded() {
  if (has_told_excluded_ || !processes_.has_looked()) {
    return;
  }
  has_told_excluded_ = true;
  for (const pid_t pid : processes_.named_in_vain()) {
    notes_.exclude(fmt::format("named, but {} are not there", tool_->gives()), pid);
  }
  for (std::string& text : notes_.excluded()) {
    notes_.tell(std::move(text));
  }
}

void ProcessToolProfiler::start() {
  processes_.start();
  tell_excluded();
}

ProcessToolProfiler::Verdict ProcessToolProfiler::look_at(pid_t pid, const ProcStat& stat) {
  if (!tool_->has_runtime(pid)) {
    return Verdict::not_yet;
  }
  if (is_wanted(pid, stat) && program_.find(tool_->gives(), notes_) && make_directory()) {
    if (processes_.is_limit_reached(runs_.size()) && !processes_.is_named(pid)) {
      notes_.exclude(fmt::format("--max-processes-runtime-profiler {}", processes_.limit()), pid);
    } else if (runs_.size() < kMaxRuns) {
      start_run(pid);
    } else {
      notes_.exclude(fmt::format("more than {} at once", kMaxRuns), pid);
    }
  }
  return Verdict::decided;
}

bool ProcessToolProfiler::is_wanted(pid_t pid, const ProcStat& stat) {
  if (processes_.is_named(pid)) {
    return true;
  }
  std::string reason = tool_->why_not(pid);
  if (reason.empty() && tool_->leaves_young() && processes_.is_too_young(stat)) {
    reason = fmt::format("younger than {} s", processes_.youngest().count());
  }
  if (!reason.empty()) {
    notes_.exclude(reason, pid);
  }
  return reason.empty();
}

bool ProcessToolProfiler::make_directory() {
  if (directory_) {
    return true;
  }
  auto directory = WorkDirectory::make();
  if (!directory) {
    notes_.add_problem(
        fmt::format("{}, continuing without {}", directory.error().what, tool_->name()));
    return false;
  }
  directory_.emplace(*std::move(directory));
  return true;
}

void ProcessToolProfiler::start_run(pid_t pid) {
  RuntimeStacks result = hooks_.tell_apart(pid);
  auto recording = ToolRecording::start(tool_->call(program_.path(), pid, directory_->path()), pid);
  if (!recording) {
    notes_.add_problem(fmt::format("process {} ({}): {}, continuing with native frames there", pid,
                                   result.comm, recording.error().what));
    return;
  }
  notes_.tell_rate(tool_->rate_hz(), tool_->asked_hz());
  hooks_.add_own(recording->pid());
  auto run = std::make_unique<Run>(
      Run{.recording = *std::move(recording), .outputs = {}, .result = std::move(result)});
  Run& watched = *run;
  runs_.emplace(pid, std::move(run));
  const Result<> is_watched = watched.outputs.add(loop_, watched.recording, [this, &watched] {
    watched.recording.read();
    watched.outputs.remove_ended(loop_, watched.recording);
  });
  if (!is_watched) {
    notes_.add_problem(is_watched.error().what);
  }
}

// Ends it if it has not, and takes what it wrote.
void ProcessToolProfiler::end_run(Run& run) {
  run.outputs.remove_all(loop_);
  run.has_ended = true;
  const ToolEnd end = run.recording.end();
  cpu_time_ += end.cpu_time;
  if (run.recording.resume_target()) {
    notes_.add_problem(fmt::format("{} left process {} ({}) stopped; it goes on now", tool_->name(),
                                   run.recording.target(), run.result.comm));
  }
  take_stacks(run, end);
}

void ProcessToolProfiler::take_stacks(Run& run, const ToolEnd& end) {
  Result<UniqueFd> file = run.recording.take_output(end);
  if (!file) {
    explain(run, end, file.error());
    return;
  }
  const Result<std::uint64_t> unread =
      tool_->read_stacks(*std::move(file), run.recording.target(), run.result.stacks);
  if (!unread) {
    run.result.stacks = Profile();
    explain(run, end, unread.error());
  } else if (*unread != 0) {
    notes_.add_problem(fmt::format("process {} ({}): {} wrote {} lines that cannot be read",
                                   run.recording.target(), run.result.comm, tool_->name(),
                                   *unread));
  }
  const bool is_empty = unread && run.result.stacks.total() == 0;
  if (is_empty && !run.recording.is_target_alive()) {
    note_missing(run, tool_->when_empty());
  }
}

void ProcessToolProfiler::explain(Run& run, const ToolEnd& end, const Error& error) {
  if (error.code == Errc::not_found) {
    note_missing(run, tool_->when_ended());
    return;
  }
  run.result.error = fmt::format("[Profiling error: {}]", error.what);
  const bool has_said = !end.is_killed && WIFEXITED(end.wait_status) && !end.is_ok();
  notes_.add_problem(fmt::format("process {} ({}): {}{}, continuing with native frames there",
                                 run.recording.target(), run.result.comm, error.what,
                                 has_said ? ": " + run.recording.last_line() : ""));
}

void ProcessToolProfiler::note_missing(Run& run, const MissingStacks& missing) {
  run.result.error = missing.frame;
  if (missing.frame.empty()) {
    return;
  }
  std::string text = fmt::format("process {} ({}): {}, continuing with native frames there",
                                 run.recording.target(), run.result.comm, missing.frame);
  if (missing.is_problem) {
    notes_.add_problem(std::move(text));
  } else {
    notes_.tell(std::move(text));
  }
}

void ProcessToolProfiler::tick() {
  processes_.tick();
  tell_excluded();
  end_ended();
}

bool ProcessToolProfiler::is_profiling() const {
  return std::ranges::any_of(runs_, [](const auto& entry) { return !entry.second->has_ended; });
}

void ProcessToolProfiler::end_ended() {
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended && run->recording.poll_end()) {
      end_run(*run);
    }
  }
}

void ProcessToolProfiler::interrupt() {
  deadline_ = Clock::now() + kRuntimeStopTime;
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended) {
      run->recording.interrupt();
    }
  }
}

Result<RuntimeReport> ProcessToolProfiler::finish(const std::stop_token& hurry) {
  while (is_profiling() && !hurry.stop_requested() && Clock::now() < deadline_) {
    TRY(loop_.run_once(kSlice));
    end_ended();
  }
  RuntimeReport report{.stacks = {},
                       .tool = std::string(tool_->name()),
                       .state = {},
                       .excluded = notes_.excluded(),
                       .cpu_time = {},
                       .frequency_hz = tool_->rate_hz()};
  for (const auto& [pid, run] : runs_) {
    if (!run->has_ended) {
      end_run(*run);
    }
    report.stacks.push_back(std::move(run->result));
  }
  report.state = notes_.state(!runs_.empty());
  report.cpu_time = cpu_time_;
  return report;
}

}  // namespace waggle
