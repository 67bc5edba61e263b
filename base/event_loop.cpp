// SPDX-License-Identifier: Apache-2.0
#include "base/event_loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

namespace waggle {

namespace {

timespec timespec_of(std::chrono::milliseconds duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  const std::chrono::nanoseconds rest = duration - seconds;
  return {.tv_sec = seconds.count(), .tv_nsec = rest.count()};
}

}  // namespace

Result<EventLoop> EventLoop::open() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) {
    return fail_errno("epoll_create1", errno);
  }
  return EventLoop(std::move(epoll));
}

Result<> EventLoop::add(int fd, Handler handler) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return fail_errno("epoll_ctl", errno);
  }
  handlers_[fd] = std::move(handler);
  return {};
}

void EventLoop::remove(int fd) {
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);  // not there is as good
  handlers_.erase(fd);
}

Result<> EventLoop::run_once(std::chrono::milliseconds limit) {
  std::array<epoll_event, 64> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(limit.count()));
  if (count < 0) {
    return errno == EINTR ? Result<>() : fail_errno("epoll_wait", errno);
  }
  for (int i = 0; i < count; ++i) {
    const auto known = handlers_.find(events[static_cast<std::size_t>(i)].data.fd);
    if (known == handlers_.end()) {
      continue;  // an earlier handler of this round removed it
    }
    const Handler handler = known->second;  // a copy: it may remove itself
    handler();
  }
  return {};
}

Result<UniqueFd> open_timer(std::chrono::milliseconds first, std::chrono::milliseconds interval) {
  UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const itimerspec times{.it_interval = timespec_of(interval), .it_value = timespec_of(first)};
  if (!timer.is_open() || ::timerfd_settime(timer.get(), 0, &times, nullptr) != 0) {
    return fail_errno("timerfd", errno);
  }
  return timer;
}

bool drain_timer(int fd) {
  std::uint64_t expirations = 0;
  return ::read(fd, &expirations, sizeof(expirations)) == ssize_t{sizeof(expirations)};
}

void stop_timer(int fd) {
  const itimerspec never{};
  (void)::timerfd_settime(fd, 0, &never, nullptr);  // cannot fail with these
}

}  // namespace waggle
