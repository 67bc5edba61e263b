// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/engine_watch.h"

#include <algorithm>
#include <chrono>

namespace waggle {

using std::chrono::milliseconds;

namespace {

// What runs from the start is looked at early: what it has mapped may be gone a second later.
constexpr milliseconds kFirstTick(100);

}  // namespace

Result<> EngineWatch::watch(const RecordEngine& engine) {
  unwatch();  // all: one that was closed may have its number again
  for (const int fd : engine.fds()) {
    TRY(loop_.add(fd, on_readable_));
    watched_.push_back(fd);
  }
  const milliseconds interval = engine.tick_interval();
  timer_ = TRY(open_timer(std::min(kFirstTick, interval), interval));
  return loop_.add(timer_.get(), [this] {
    drain_timer(timer_.get());
    on_tick_();
  });
}

void EngineWatch::unwatch() {
  for (const int fd : watched_) {
    loop_.remove(fd);
  }
  watched_.clear();
  if (timer_.is_open()) {
    loop_.remove(timer_.get());
    timer_.reset();
  }
}

}  // namespace waggle
