// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/stop_signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace waggle {

namespace {

constexpr int kInterruptedStatus = 130;  // 128 + SIGINT, as shells have it

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) {
    ::sigaddset(&set, signal);
  }
  return set;
}

void end_now(int /*signal*/) {
  ::_exit(kInterruptedStatus);
}

void change_interrupt(int how) {
  const sigset_t set = set_of({SIGINT});
  (void)::pthread_sigmask(how, &set, nullptr);  // fails for an unknown `how` only
}

}  // namespace

Result<StopSignals> StopSignals::open(std::initializer_list<int> others) {
  sigset_t set = set_of({SIGINT, SIGTERM});
  for (const int signal : others) {
    ::sigaddset(&set, signal);
  }
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) {
    return fail(Errc::system, "block signals");
  }
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.is_open()) {
    return fail_errno("signalfd", errno);
  }
  return StopSignals(std::move(fd));
}

std::optional<StopSignals::Signal> StopSignals::read() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) {
    return std::nullopt;
  }
  return Signal{.number = static_cast<int>(info.ssi_signo),
                .is_from_terminal = info.ssi_code == SI_KERNEL};
}

void StopSignals::let_interrupt_end_us() {
  struct sigaction action{};
  action.sa_handler = end_now;
  (void)::sigaction(SIGINT, &action, nullptr);  // fails for an unknown signal only
  change_interrupt(SIG_UNBLOCK);
}

StopSignals::Hold::Hold() {
  change_interrupt(SIG_BLOCK);
}
StopSignals::Hold::~Hold() {
  change_interrupt(SIG_UNBLOCK);
}

}  // namespace waggle
