// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/java_session.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/event_loop.h"
#include "base/log.h"
#include "userspace/runtime_profilers/java_refusal.h"
#include "userspace/tools/async_profiler/frame_text.h"
#include "userspace/tools/external_tools.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kSlice(5);
// Eleven descriptors each, of 1,024 that a process may have.
constexpr std::size_t kMaxRuns = 64;
// Without us it goes on for so long at most; we renew it before.
constexpr seconds kMaxUnattended(300);
constexpr seconds kGrace(30);
// Of the kernel's names of threads.
constexpr std::size_t kMaxThreadName = 15;

bool is_on_cpu(const JavaSessionOptions& options) {
  const JavaEvent event = options.async_profiler.event;
  return event == JavaEvent::cpu || event == JavaEvent::itimer;
}

// Allocations are no times.
int counted_hz(const JavaSessionOptions& options) {
  const auto& async_profiler = options.async_profiler;
  return async_profiler.event == JavaEvent::alloc ? 0 : async_profiler.frequency_hz;
}

bool is_of_clock(const JavaSessionOptions& options) {
  return options.async_profiler.event == JavaEvent::wall;
}

JavaVersionCheck version_check(const JavaSessionOptions& options) {
  if (!options.checks_version) {
    return JavaVersionCheck::none;
  }
  return options.safemode.extended_version_checks ? JavaVersionCheck::tried
                                                  : JavaVersionCheck::known;
}

}  // namespace

JavaSession::JavaSession(JavaSessionOptions options, NeededTool library, RuntimeHooks hooks,
                         UniqueFd timer)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      timer_(std::move(timer)),
      processes_(options_.targets, [this](pid_t pid, const ProcStat&) { return look_at(pid); }),
      library_(std::move(library)),
      safety_(options_.safemode) {
  options_.async_profiler.timeout =
      std::min(options_.duration.value_or(kMaxUnattended), kMaxUnattended) + kGrace;
}

Result<std::unique_ptr<JavaSession>> JavaSession::prepare(const JavaSessionOptions& options,
                                                          RuntimeHooks hooks) {
  UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer.is_open()) {
    return fail_errno("timerfd_create", errno);
  }
  NeededTool library = TRY(NeededTool::prepare("async-profiler", options.path));
  if (!options.path.empty()) {
    (void)TRY(read_async_profiler(library.path()));  // that it is one
  }
  JavaSessionOptions found = options;
  if (!options.jattach.empty()) {
    found.jattach = TRY(locate_tool("jattach", options.jattach));
  }
  return std::unique_ptr<JavaSession>(
      new JavaSession(std::move(found), std::move(library), std::move(hooks), std::move(timer)));
}

void JavaSession::start() {
  processes_.start();
  set_timer();
}

void JavaSession::set_timer() {
  const bool is_needed = std::ranges::any_of(runs_, [](const auto& entry) {
    return entry.second->recording && entry.second->recording->is_waiting();
  });
  if (is_needed == is_timer_on_) {
    return;
  }
  itimerspec times{};
  times.it_interval.tv_nsec =
      is_needed ? std::chrono::nanoseconds(JvmLoad::kPollInterval).count() : 0;
  times.it_value = times.it_interval;
  (void)::timerfd_settime(timer_.get(), 0, &times, nullptr);  // cannot fail with these
  is_timer_on_ = is_needed;
}

Result<> JavaSession::on_readable() {
  drain_timer(timer_.get());
  advance();
  return {};
}

void JavaSession::tick() {
  if (!is_interrupted_) {
    processes_.tick();
  }
  if (!runs_.empty() && safety_.hear_kernel(notes_)) {
    stop_all();
  }
  advance();
}

JavaSession::Verdict JavaSession::look_at(pid_t pid) {
  auto jvm = find_jvm(pid);
  if (!jvm || !*jvm) {
    return Verdict::not_yet;
  }
  const auto refusal = why_not_to_attach(**jvm);
  if (refusal && refusal->may_pass && (*jvm)->is_starting()) {
    starting_[pid] = refusal->reason;
    return Verdict::not_yet;
  }
  starting_.erase(pid);
  if (!find_library()) {
    return Verdict::decided;
  }
  if (processes_.is_limit_reached(runs_.size())) {
    notes_.exclude(fmt::format("--max-processes-runtime-profiler {}", processes_.limit()), pid);
    return Verdict::decided;
  }
  if (runs_.size() >= kMaxRuns) {
    notes_.exclude(fmt::format("more than {} JVMs at once", kMaxRuns), pid);
    return Verdict::decided;
  }
  start_run(*std::move(*jvm));
  return Verdict::decided;
}

bool JavaSession::find_library() {
  if (!library_.find("the methods of Java", notes_)) {
    return false;
  }
  if (!library_facts_) {
    library_facts_ = read_async_profiler(library_.path());
    if (!*library_facts_) {
      notes_.add_problem(
          fmt::format("{}; continuing without the methods of Java", library_facts_->error().what));
    }
  }
  return library_facts_->has_value();
}

JavaSession::Run& JavaSession::add_run(pid_t pid) {
  auto made = std::make_unique<Run>(Run{.pid = pid,
                                        .has_own_namespace = false,
                                        .recording = nullptr,
                                        .crash = {},
                                        .exit = {},
                                        .is_gone = false,
                                        .is_start_noted = false,
                                        .result = hooks_.tell_apart(pid)});
  Run& run = *made;
  run.result.is_java_on_cpu = is_on_cpu(options_);
  run.result.counts_waiting = is_of_clock(options_);
  runs_[pid] = std::move(made);
  return run;
}

void JavaSession::start_run(Jvm jvm) {
  Run& run = add_run(jvm.pid);
  run.has_own_namespace = jvm.status.innermost_pid != static_cast<std::uint32_t>(jvm.pid);
  if (safety_.hear_kernel(notes_)) {
    stop_all();
  }
  if (!safety_.cause().empty()) {
    skip(run, "disabled due to " + safety_.cause());
    return;
  }
  if (const auto reason = why_not_to_profile(jvm, version_check(options_), **library_facts_)) {
    skip(run, *reason);
    return;
  }
  note_other_profiler(jvm, run);
  if (auto crash = CrashReport::watch(jvm)) {
    run.crash = *std::move(crash);
  }
  if (auto exit = ProcessExit::watch(run.pid); exit && jvm.is_alive()) {
    run.exit = *std::move(exit);
  }
  safety_.add_profiled(run.pid);
  auto recording = AsyncProfilerRecording::start(
      std::move(jvm), library_.path(), options_.async_profiler,
      {.patience = options_.patience, .jattach = options_.jattach, .add_own = hooks_.add_own},
      [this, &run](const AsyncProfilerStack& stack) { add_stack(stack, run); });
  if (!recording) {
    fail_run(run, recording.error().what);
    return;
  }
  run.recording = *std::move(recording);
}

void JavaSession::note_other_profiler(const Jvm& jvm, const Run& run) {
  if (has_other_profiler(jvm, **library_facts_)) {
    notes_.tell(fmt::format(
        "process {} ({}): the async-profiler of an earlier waggle stays loaded and is used in the "
        "place of {}; the JVM takes another one once it is started anew",
        run.pid, run.result.comm, library_.path()));
  }
}

std::string_view JavaSession::otherwise() const {
  return options_.has_native_frames ? "with native frames there" : "without it";
}

void JavaSession::skip(Run& run, const std::string& reason) {
  run.result.error = fmt::format("[Profiling skipped: {}]", reason);
  notes_.exclude(reason, run.pid);
  notes_.tell(fmt::format("process {} ({}): {}, continuing {}", run.pid, run.result.comm, reason,
                          otherwise()));
}

void JavaSession::fail_run(Run& run, const std::string& reason) {
  run.result.error = fmt::format("[Profiling error: {}]", reason);
  notes_.add_problem(fmt::format("process {} ({}): async-profiler: {}, continuing {}", run.pid,
                                 run.result.comm, reason, otherwise()));
}

void JavaSession::advance() {
  for (const auto& [pid, run] : runs_) {
    if (run->recording) {
      run->recording->advance();
      note_start(*run);
      if (run->recording->is_over()) {
        end_run(*run);
      }
    }
    if (run->is_gone) {
      find_signal(*run);
    }
  }
  set_timer();
}

void JavaSession::note_start(Run& run) {
  const AsyncProfilerRecording& recording = *run.recording;
  const std::string& option = recording.unknown_option();
  if (!option.empty() && told_.insert(option).second) {
    notes_.add_problem(
        fmt::format("this async-profiler knows no option {}, continuing without it", option));
  }
  if (recording.has_timers_for_events() && !std::exchange(run.is_start_noted, true)) {
    if (with_timers_.empty()) {
      notes_.tell(fmt::format(
          "process {} ({}): perf events are refused to it (seccomp, kernel.perf_event_paranoid), "
          "async-profiler samples by timers there, without kernel frames of its own",
          run.pid, run.result.comm));
    }
    with_timers_.push_back(run.pid);
  }
}

// Gives the JVM back what it has of us.
void JavaSession::end_run(Run& run) {
  const auto recording = std::move(run.recording);
  cpu_time_ += recording->cpu_time();
  if (!recording->memory().empty()) {
    LOG_DEBUG("process {} ({}): async-profiler used {} of its memory", run.pid, run.result.comm,
              recording->memory());
  }
  if (!recording->problem().empty()) {
    if (run.result.stacks.total() == 0) {
      fail_run(run, recording->problem());
    } else {
      notes_.add_problem(fmt::format("process {} ({}): {}, continuing with what it has told before",
                                     run.pid, run.result.comm, recording->problem()));
    }
  }
  if (!recording->is_target_alive()) {
    run.is_gone = true;
    find_crash(run);
  }
}

// The profiler in a JVM may be what it died of.
void JavaSession::find_crash(const Run& run) {
  const auto crash = run.crash ? run.crash->find(options_.tells_whole_crash) : std::nullopt;
  if (!crash) {
    return;
  }
  const std::string who = fmt::format("process {} ({})", run.pid, run.result.comm);
  const bool is_first = safety_.judge_crash(
      fmt::format("{} crashed while it was profiled ({})", who, crash->excerpt), notes_);
  for (const std::string& line : crash->lines) {
    notes_.tell(fmt::format("crash of {}: {}", who, line));
  }
  if (is_first) {
    stop_all();
  }
}

// Its threads may still be ending: then it is told later.
void JavaSession::find_signal(Run& run) {
  const auto status = run.exit ? run.exit->find_status() : std::nullopt;
  if (!status) {
    return;
  }
  run.exit.reset();
  if (safety_.judge_exit(*status, fmt::format("process {} ({})", run.pid, run.result.comm),
                         notes_)) {
    stop_all();
  }
}

void JavaSession::stop_all() {
  for (const auto& [pid, run] : runs_) {
    if (run->recording) {
      run->recording->interrupt();
    }
  }
}

void JavaSession::add_stack(const AsyncProfilerStack& stack, Run& run) {
  Profile& profile = run.result.stacks;
  Profile::Stack added{.container = profile.intern(""), .comm = profile.intern(""), .frames = {}};
  if (stack.tid != 0) {
    // As the kernel has it, else cut to what it would be there.
    const std::string name = run.has_own_namespace ? "" : hooks_.thread_name(run.pid, stack.tid);
    added.frames.push_back(profile.intern(
        fmt::format("thread: {}", name.empty() ? stack.thread.substr(0, kMaxThreadName) : name)));
  }
  for (const std::string_view frame : stack.frames) {
    added.frames.push_back(options_.async_profiler.tells_libraries
                               ? profile.intern(text_with_library(frame))
                               : profile.intern(frame));
  }
  profile.add(added, stack.count);
}

void JavaSession::interrupt() {
  is_interrupted_ = true;
  deadline_ = Clock::now() + kRuntimeStopTime;
  for (const auto& [pid, reason] : starting_) {
    skip(add_run(pid), reason);  // the recording is over before one can know
  }
  starting_.clear();
  stop_all();
  set_timer();
}

bool JavaSession::is_profiling() const {
  return std::ranges::any_of(runs_,
                             [](const auto& entry) { return entry.second->recording != nullptr; });
}

Result<RuntimeReport> JavaSession::finish(const std::stop_token& hurry) {
  while (advance(), is_profiling() && !hurry.stop_requested() && Clock::now() < deadline_) {
    std::this_thread::sleep_for(kSlice);
  }
  RuntimeReport report{.stacks = {},
                       .tool = "async-profiler",
                       .state = {},
                       .excluded = notes_.excluded(),
                       .cpu_time = {},
                       .frequency_hz = counted_hz(options_)};
  if (!with_timers_.empty()) {
    report.excluded.push_back(fmt::format(
        "async-profiler: kernel frames of {} JVM{} ({}): perf events are refused there, timers "
        "sample",
        with_timers_.size(), with_timers_.size() == 1 ? "" : "s", fmt::join(with_timers_, ", ")));
  }
  for (const auto& [pid, run] : runs_) {
    if (run->recording) {
      run->recording->give_up();
      end_run(*run);
    }
    report.stacks.push_back(std::move(run->result));
  }
  report.cpu_time = cpu_time_;
  report.state = notes_.state(!runs_.empty());
  return report;
}

}  // namespace waggle
