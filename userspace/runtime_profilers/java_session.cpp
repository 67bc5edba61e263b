// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/java_session.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/text.h"
#include "userspace/tools/async_profiler/java_version.h"
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

// Of the signals that a JVM does not end by when all is well.
bool is_violent(int wait_status) {
  if (!WIFSIGNALED(wait_status)) {
    return false;
  }
  const int signal = WTERMSIG(wait_status);
  return signal == SIGABRT || signal == SIGKILL || signal == SIGSEGV;
}

bool is_on_cpu(const JavaSessionOptions& options) {
  const JavaEvent event = options.async_profiler.event;
  return event == JavaEvent::cpu || event == JavaEvent::itimer;
}

// Allocations are no times.
int counted_hz(const JavaSessionOptions& options) {
  const auto& async_profiler = options.async_profiler;
  return async_profiler.event == JavaEvent::alloc ? 0 : async_profiler.frequency_hz;
}

bool is_called_java(const Jvm& jvm) {
  std::error_code none;
  const auto program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", jvm.pid), none);
  return program.filename() == "java" || program.filename() == "java (deleted)";
}

bool is_supported(const Jvm& jvm, bool is_strict) {
  constexpr int kFirst = 7;
  const auto version = read_java_version(jvm);
  return is_strict ? version && is_tried_java(*version) && is_called_java(jvm)
                   : !version || version->numbers.front() >= kFirst;
}

}  // namespace

JavaSession::JavaSession(JavaSessionOptions options, NeededTool library, RuntimeHooks hooks,
                         UniqueFd timer)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      timer_(std::move(timer)),
      processes_(options_.targets, [this](pid_t pid, const ProcStat&) { return look_at(pid); }),
      library_(std::move(library)) {
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
  if (kernel_log_) {
    hear_kernel();
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
  if (!library_.find("the methods of Java", notes_)) {
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

JavaSession::Run& JavaSession::add_run(pid_t pid) {
  auto made = std::make_unique<Run>(Run{.pid = pid,
                                        .has_own_namespace = false,
                                        .recording = nullptr,
                                        .crash = {},
                                        .exit = {},
                                        .is_gone = false,
                                        .result = hooks_.tell_apart(pid)});
  Run& run = *made;
  run.result.is_java_on_cpu = is_on_cpu(options_);
  runs_[pid] = std::move(made);
  return run;
}

void JavaSession::start_run(Jvm jvm) {
  Run& run = add_run(jvm.pid);
  run.has_own_namespace = jvm.status.innermost_pid != static_cast<std::uint32_t>(jvm.pid);
  if (!stop_cause_.empty()) {
    skip(run, "disabled due to " + stop_cause_);
    return;
  }
  if (const auto refusal = why_not_to_attach(jvm)) {
    skip(run, refusal->reason);
    return;
  }
  if (options_.checks_version && !is_supported(jvm, options_.safemode.extended_version_checks)) {
    skip(run, "profiling this JVM is not supported");
    return;
  }
  if (!jvm.profiler.empty() && !is_placed_by_us(jvm.profiler, kAsyncProfilerLibrary)) {
    skip(run, "async-profiler is already loaded");  // somebody else's, who may be using it
    return;
  }
  if (auto crash = CrashReport::watch(jvm)) {
    run.crash = *std::move(crash);
  }
  if (auto exit = ProcessExit::watch(run.pid); exit && jvm.is_alive()) {
    run.exit = *std::move(exit);
  }
  hear_kernel();
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
  notes_.add_problem(fmt::format("process {} ({}): {}, continuing {}", run.pid, run.result.comm,
                                 reason, otherwise()));
}

void JavaSession::advance() {
  for (const auto& [pid, run] : runs_) {
    if (run->recording) {
      run->recording->advance();
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

// Gives the JVM back what it has of us.
void JavaSession::end_run(Run& run) {
  const auto recording = std::move(run.recording);
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
  const auto excerpt = run.crash ? run.crash->find() : std::nullopt;
  if (excerpt) {
    const std::string told = fmt::format("process {} ({}) crashed while it was profiled ({})",
                                         run.pid, run.result.comm, *excerpt);
    if (options_.safemode.hserr) {
      stop_all("the crash of a JVM", told);
    } else {
      notes_.add_problem(told);
    }
  }
}

// Its threads may still be ending: then it is told later.
void JavaSession::find_signal(Run& run) {
  const auto status = run.exit ? run.exit->find_status() : std::nullopt;
  if (!status) {
    return;
  }
  run.exit.reset();
  if (is_violent(*status) && options_.safemode.profiled_signaled) {
    stop_all("a signal that ended a JVM",
             fmt::format("process {} ({}) was ended by signal {} while it was profiled", run.pid,
                         run.result.comm, WTERMSIG(*status)));
  }
}

// What the kernel's log says from the first JVM on.
void JavaSession::hear_kernel() {
  const JavaSafemode& safemode = options_.safemode;
  const bool is_asked_for =
      safemode.general_oom || safemode.general_signaled || safemode.pid_in_kernel_messages;
  if ((safemode.profiled_oom || is_asked_for) && !std::exchange(has_tried_kernel_log_, true)) {
    if (auto log = KernelLog::open()) {
      kernel_log_ = *std::move(log);
    } else if (is_asked_for) {
      notes_.tell(fmt::format("--java-safemode: {}, continuing without the kernel's log",
                              log.error().what));
    }
  }
  if (kernel_log_) {
    kernel_log_->take([this](std::string_view text) { on_kernel_message(text); });
  }
}

void JavaSession::on_kernel_message(std::string_view text) {
  const JavaSafemode& safemode = options_.safemode;
  const std::string told = fmt::format("the kernel says: {}", printable(text));
  if (const auto death = parse_kernel_death(text)) {
    const bool is_profiled = runs_.contains(death->pid);
    const bool is_memory = death->cause == KernelDeath::Cause::out_of_memory;
    const bool is_general = is_memory ? safemode.general_oom : safemode.general_signaled;
    const bool is_of_ours = is_memory ? safemode.profiled_oom : safemode.profiled_signaled;
    if (is_general || (is_profiled && is_of_ours)) {
      stop_all(is_memory ? "want of memory" : "a signal that ended a process", told);
    }
  }
  if (safemode.pid_in_kernel_messages && std::ranges::any_of(runs_, [text](const auto& entry) {
        return mentions_pid(text, entry.first);
      })) {
    stop_all("a message of the kernel", told);
  }
}

// No more risk, as gProfiler's safe mode; the first cause counts.
void JavaSession::stop_all(std::string_view cause, const std::string& told) {
  if (!stop_cause_.empty()) {
    return;
  }
  stop_cause_ = cause;
  notes_.add_problem(told + ", continuing without the methods of Java");
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
    added.frames.push_back(profile.intern(frame));
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
  for (const auto& [pid, run] : runs_) {
    if (run->recording) {
      run->recording->interrupt();
    }
  }
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
  for (const auto& [pid, run] : runs_) {
    if (run->recording) {
      run->recording->give_up("the JVM does not answer");
      end_run(*run);
    }
    report.stacks.push_back(std::move(run->result));
  }
  report.state = notes_.state(!runs_.empty());
  return report;
}

}  // namespace waggle
