// SPDX-License-Identifier: Apache-2.0
// The outputs of a child process in an event loop, each until it has ended.
#pragma once

#include <array>
#include <utility>

#include "base/event_loop.h"
#include "base/result.h"

namespace waggle {

// `Child`: a SupervisedTool, or what has one: output_fd() and errors_fd(), -1 once they have ended.
class WatchedOutputs {
 public:
  // Calls `handler` whenever one of them is readable.
  template <class Child>
  Result<> add(EventLoop& loop, const Child& child, const EventLoop::Handler& handler) {
    const std::array fds = {child.output_fd(), child.errors_fd()};
    for (std::size_t i = 0; i < fds.size(); ++i) {
      if (fds[i] >= 0) {
        TRY(loop.add(fds[i], handler));
        watched_[i] = fds[i];
      }
    }
    return {};
  }

  // After the child has read: those that have ended.
  template <class Child>
  void remove_ended(EventLoop& loop, const Child& child) {
    const std::array fds = {child.output_fd(), child.errors_fd()};
    for (std::size_t i = 0; i < fds.size(); ++i) {
      if (fds[i] < 0) {
        remove(loop, watched_[i]);
      }
    }
  }

  // Before the child closes them.
  void remove_all(EventLoop& loop) {
    for (int& fd : watched_) {
      remove(loop, fd);
    }
  }

 private:
  static void remove(EventLoop& loop, int& fd) {
    if (fd >= 0) {
      loop.remove(std::exchange(fd, -1));
    }
  }

  std::array<int, 2> watched_ = {-1, -1};  // -1: not, or no more
};

}  // namespace waggle
