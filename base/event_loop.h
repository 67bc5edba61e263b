// SPDX-License-Identifier: Apache-2.0
// Waiting for descriptors: one thread, one epoll.
#pragma once

#include <chrono>
#include <functional>
#include <map>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

class EventLoop {
 public:
  using Handler = std::function<void()>;

  static Result<EventLoop> open();

  // Calls `handler` whenever `fd` is readable.  The caller keeps owning `fd` and removes it before
  // it is closed.
  Result<> add(int fd, Handler handler);
  void remove(int fd);

  // Waits for the next event, `limit` at most, and calls the handlers of what is readable.
  Result<> run_once(std::chrono::milliseconds limit = std::chrono::seconds(1));

  // Readable when run_once() has work to do: a loop can be part of another.
  [[nodiscard]] int fd() const { return epoll_.get(); }

 private:
  explicit EventLoop(UniqueFd epoll) : epoll_(std::move(epoll)) {}

  UniqueFd epoll_;
  std::map<int, Handler> handlers_;
};

// Readable after `first`, then every `interval`; read it with drain_timer().
Result<UniqueFd> open_timer(std::chrono::milliseconds first, std::chrono::milliseconds interval);
inline Result<UniqueFd> open_timer(std::chrono::milliseconds interval) {
  return open_timer(interval, interval);
}
// Whether it had expired.
bool drain_timer(int fd);
void stop_timer(int fd);

}  // namespace waggle
