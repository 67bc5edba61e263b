// SPDX-License-Identifier: Apache-2.0
// The profilers of one session after those of the session before: two in one process at a time
// would meet (async-profiler is one to a JVM).
#pragma once

#include <atomic>
#include <memory>
#include <stop_token>
#include <utility>

namespace waggle {

// Held by the profilers that run; given back on any thread.
class RuntimeTurn {
 public:
  explicit RuntimeTurn(std::shared_ptr<std::atomic<bool>> is_taken)
      : is_taken_(std::move(is_taken)) {}
  RuntimeTurn(const RuntimeTurn&) = delete;
  RuntimeTurn& operator=(const RuntimeTurn&) = delete;
  ~RuntimeTurn() { is_taken_->store(false); }

 private:
  std::shared_ptr<std::atomic<bool>> is_taken_;
};

class RuntimeTurns {
 public:
  // nullptr: others have it.
  std::unique_ptr<RuntimeTurn> try_take() {
    return is_taken_->exchange(true) ? nullptr : std::make_unique<RuntimeTurn>(is_taken_);
  }
  // On any thread: those that end are waited for no longer.
  void hurry() { hurry_.request_stop(); }
  [[nodiscard]] std::stop_token hurried() const { return hurry_.get_token(); }

 private:
  std::shared_ptr<std::atomic<bool>> is_taken_ = std::make_shared<std::atomic<bool>>(false);
  std::stop_source hurry_;
};

}  // namespace waggle
