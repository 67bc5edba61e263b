// SPDX-License-Identifier: Apache-2.0
// The descriptors and the ticks of an engine in an event loop: those that it has now, less often
// where the engine says so.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/cli/record_engine.h"

namespace waggle {

class EngineWatch {
 public:
  // `loop` outlives it.  `on_readable`: one of them has something; `on_tick`: each tick_interval().
  EngineWatch(EventLoop& loop, std::function<void()> on_readable, std::function<void()> on_tick)
      : loop_(loop), on_readable_(std::move(on_readable)), on_tick_(std::move(on_tick)) {}
  EngineWatch(const EngineWatch&) = delete;
  EngineWatch& operator=(const EngineWatch&) = delete;
  ~EngineWatch() { unwatch(); }

  // After it has started, and after each cut: they may be others then.
  Result<> watch(RecordEngine& engine);
  // Before the engine closes them.
  void unwatch();

 private:
  Result<> watch_descriptors();
  void hear();
  void rest(std::chrono::milliseconds duration);

  EventLoop& loop_;
  std::function<void()> on_readable_;
  std::function<void()> on_tick_;
  RecordEngine* engine_ = nullptr;        // that is watched
  std::optional<EventLoop> descriptors_;  // a loop in the loop: whatever tells, it is heard once
  UniqueFd timer_;
  UniqueFd rest_;  // its end
};

}  // namespace waggle
