// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/agent_signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>
#include <utility>

namespace waggle {

namespace {

using Clock = std::chrono::steady_clock;

void raise_event(int fd) {
  (void)::eventfd_write(fd, 1);  // full: it is readable as well
}

void drain_event(int fd) {
  eventfd_t count = 0;
  (void)::eventfd_read(fd, &count);  // empty: nothing to do
}

}  // namespace

Result<std::unique_ptr<AgentSignals>> AgentSignals::start(std::function<int()> last_words) {
  StopSignals signals = TRY(StopSignals::open({SIGHUP}));
  UniqueFd heard(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!heard.is_open() || !wake.is_open()) {
    return fail_errno("eventfd", errno);
  }
  return std::unique_ptr<AgentSignals>(new AgentSignals(std::move(signals), std::move(heard),
                                                        std::move(wake), std::move(last_words)));
}

AgentSignals::AgentSignals(StopSignals signals, UniqueFd heard, UniqueFd wake,
                           std::function<int()> last_words)
    : signals_(std::move(signals)),
      heard_(std::move(heard)),
      wake_(std::move(wake)),
      last_words_(std::move(last_words)),
      thread_([this] { run(); }) {}

AgentSignals::~AgentSignals() {
  is_over_ = true;
  raise_event(wake_.get());
}

void AgentSignals::read() {
  drain_event(heard_.get());
}

void AgentSignals::begin_end() {
  is_ending_ = true;
  raise_event(wake_.get());
}

void AgentSignals::take_signal() {
  const auto signal = signals_.read();
  if (!signal) {
    return;
  }
  (signal->number == SIGHUP ? is_reloading_ : is_ending_) = true;
  raise_event(heard_.get());
}

void AgentSignals::run() {
  std::optional<Clock::time_point> end;
  while (!is_over_) {
    if (is_ending_ && !end) {
      end = Clock::now() + kEndTime;
    }
    int wait_ms = -1;
    if (end) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now());
      wait_ms = static_cast<int>(std::max<std::int64_t>(0, left.count()));
    }
    if (wait_ms == 0) {
      ::_exit(last_words_());  // destructors could wait for what hangs
    }
    std::array events{pollfd{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                      pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    (void)::poll(events.data(), events.size(), wait_ms);
    if (events[0].revents != 0) {
      take_signal();
    }
    if (events[1].revents != 0) {
      drain_event(wake_.get());
    }
  }
}

}  // namespace waggle
