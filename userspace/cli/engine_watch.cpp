// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/engine_watch.h"

#include <algorithm>

#include "base/log.h"

namespace waggle {

using std::chrono::milliseconds;

namespace {

// What runs from the start is looked at early: what it has mapped may be gone a second later.
constexpr milliseconds kFirstTick(100);

}  // namespace

Result<> EngineWatch::watch(RecordEngine& engine) {
  unwatch();  // all: one that was closed may have its number again
  engine_ = &engine;
  descriptors_ = TRY(EventLoop::open());
  for (const int fd : engine.fds()) {
    TRY(descriptors_->add(fd, [] {}));
  }
  TRY(watch_descriptors());
  const milliseconds interval = engine.tick_interval();
  timer_ = TRY(open_timer(std::min(kFirstTick, interval), interval));
  return loop_.add(timer_.get(), [this] {
    drain_timer(timer_.get());
    on_tick_();
  });
}

Result<> EngineWatch::watch_descriptors() {
  return loop_.add(descriptors_->fd(), [this] { hear(); });
}

void EngineWatch::hear() {
  on_readable_();
  const milliseconds duration = engine_ == nullptr ? milliseconds(0) : engine_->rest();
  if (duration > milliseconds(0)) {
    rest(duration);
  }
}

void EngineWatch::rest(milliseconds duration) {
  Result<UniqueFd> timer = open_timer(duration);
  if (!timer) {
    return;  // out of descriptors: then it does not rest
  }
  rest_ = *std::move(timer);
  const Result<> added = loop_.add(rest_.get(), [this] {
    loop_.remove(rest_.get());
    rest_.reset();
    if (const Result<> watched = watch_descriptors(); !watched) {
      LOG_WARNING("{}, what the kernel tells is read at each tick", watched.error().what);
    }
  });
  if (added) {
    loop_.remove(descriptors_->fd());
  }
}

void EngineWatch::unwatch() {
  engine_ = nullptr;
  for (UniqueFd* timer : {&timer_, &rest_}) {
    if (timer->is_open()) {
      loop_.remove(timer->get());
      timer->reset();
    }
  }
  if (descriptors_) {
    loop_.remove(descriptors_->fd());
    descriptors_.reset();
  }
}

}  // namespace waggle
