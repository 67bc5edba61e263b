// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/java_safety.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

// Of the signals that a JVM does not end by when all is well.
bool is_violent(int wait_status) {
  if (!WIFSIGNALED(wait_status)) {
    return false;
  }
  const int signal = WTERMSIG(wait_status);
  return signal == SIGABRT || signal == SIGKILL || signal == SIGSEGV;
}

}  // namespace

// No more risk, as gProfiler's safe mode.
bool JavaSafety::stop(std::string_view cause, const std::string& told, RuntimeNotes& notes) {
  if (!cause_.empty()) {
    return false;
  }
  cause_ = cause;
  notes.add_problem(told + ", continuing without the methods of Java");
  return true;
}

bool JavaSafety::judge_crash(const std::string& told, RuntimeNotes& notes) {
  if (safemode_.hserr) {
    return stop("the crash of a JVM", told, notes);
  }
  notes.add_problem(told);
  return false;
}

bool JavaSafety::judge_exit(int wait_status, std::string_view who, RuntimeNotes& notes) {
  return is_violent(wait_status) && safemode_.profiled_signaled &&
         stop("a signal that ended a JVM",
              fmt::format("{} was ended by signal {} while it was profiled", who,
                          WTERMSIG(wait_status)),
              notes);
}

void JavaSafety::open_log(RuntimeNotes& notes) {
  const bool is_asked_for =
      safemode_.general_oom || safemode_.general_signaled || safemode_.pid_in_kernel_messages;
  if ((safemode_.profiled_oom || is_asked_for) && !std::exchange(has_tried_log_, true)) {
    if (auto log = KernelLog::open()) {
      kernel_log_ = *std::move(log);
    } else if (is_asked_for) {
      notes.tell(fmt::format("--java-safemode: {}, continuing without the kernel's log",
                             log.error().what));
    }
  }
}

bool JavaSafety::hear_kernel(RuntimeNotes& notes) {
  open_log(notes);
  bool is_first = false;
  if (kernel_log_) {
    kernel_log_->take([&](std::string_view text) { is_first |= judge_message(text, notes); });
  }
  return is_first;
}

bool JavaSafety::judge_message(std::string_view text, RuntimeNotes& notes) {
  const std::string told = fmt::format("the kernel says: {}", printable(text));
  bool is_first = false;
  if (const auto death = parse_kernel_death(text)) {
    const bool is_profiled = profiled_.contains(death->pid);
    const bool is_memory = death->cause == KernelDeath::Cause::out_of_memory;
    const bool is_general = is_memory ? safemode_.general_oom : safemode_.general_signaled;
    const bool is_of_ours = is_memory ? safemode_.profiled_oom : safemode_.profiled_signaled;
    if (is_general || (is_profiled && is_of_ours)) {
      is_first |= stop(is_memory ? "want of memory" : "a signal that ended a process", told, notes);
    }
  }
  if (safemode_.pid_in_kernel_messages &&
      std::ranges::any_of(profiled_, [text](pid_t pid) { return mentions_pid(text, pid); })) {
    is_first |= stop("a message of the kernel", told, notes);
  }
  return is_first;
}

}  // namespace waggle
