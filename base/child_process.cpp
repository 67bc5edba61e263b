// SPDX-License-Identifier: Apache-2.0
#include "base/child_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Whether it ended; it stays a zombie, so that its pid and group stay its own.
bool has_ended(pid_t pid) {
  siginfo_t info{};
  const int failed = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
  return failed == 0 && info.si_pid == pid;
}

std::chrono::microseconds time_of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

void keep_exit_statuses() {
  struct sigaction action{};
  if (::sigaction(SIGCHLD, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) {
    action.sa_handler = SIG_DFL;
    (void)::sigaction(SIGCHLD, &action, nullptr);  // cannot fail for SIGCHLD
  }
}

ChildProcess::ChildProcess(pid_t pid, Group group)
    : pid_(pid), group_(group), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
  CHECK(pid > 0);  // kill(2) gives 0 and negative numbers another meaning
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      group_(other.group_),
      pidfd_(std::move(other.pidfd_)),
      is_ended_with_us_(other.is_ended_with_us_),
      status_(other.status_),
      cpu_time_(other.cpu_time_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    let_go();
    pid_ = std::exchange(other.pid_, 0);
    group_ = other.group_;
    pidfd_ = std::move(other.pidfd_);
    is_ended_with_us_ = other.is_ended_with_us_;
    status_ = other.status_;
    cpu_time_ = other.cpu_time_;
  }
  return *this;
}

void ChildProcess::let_go() {
  if (pid_ > 0 && is_ended_with_us_) {
    end();
  }
}

Result<> ChildProcess::send_signal(int signal) {
  if (poll_exit()) {
    return fail(Errc::not_found, "the process has ended");
  }
  if (::kill(pid_, signal) != 0) {
    return fail_errno("kill", errno);
  }
  return {};
}

std::optional<int> ChildProcess::poll_exit() {
  if (!status_ && has_ended(pid_)) {
    end();  // takes what is left of its group along
  }
  return status_;
}

bool ChildProcess::wait_for(milliseconds timeout) {
  constexpr milliseconds kSlice(10);  // where there is no pidfd to wake us
  const auto deadline = steady_clock::now() + timeout;
  while (!poll_exit()) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds(0)) {
      return false;
    }
    const milliseconds pause = pidfd_.is_open() ? left : std::min(left, kSlice);
    pollfd wait{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
    (void)::poll(&wait, 1, static_cast<int>(pause.count()));  // any failure: we look again
  }
  return true;
}

int ChildProcess::end() {
  if (status_) {
    return *status_;
  }
  // Before waiting: after it, the numbers may be another's.
  (void)::kill(group_ == Group::own ? -pid_ : pid_, SIGKILL);
  (void)::kill(pid_, SIGKILL);  // a group is made by the child itself, perhaps not yet
  int status = 0;
  rusage usage{};
  while (::wait4(pid_, &status, 0, &usage) < 0) {
    CHECK(errno == EINTR);  // ECHILD: somebody else waited for our child
  }
  status_ = status;
  cpu_time_ = time_of(usage.ru_utime) + time_of(usage.ru_stime);
  return status;
}

}  // namespace waggle
