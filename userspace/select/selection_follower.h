// SPDX-License-Identifier: Apache-2.0
// Finds selections on a thread of its own: a runtime's socket may hang, and whoever takes samples
// must not wait for it.  Not for when one is wanted, nor for what becomes of it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/result.h"
#include "userspace/select/selection.h"
#include "userspace/select/selection_finder.h"

namespace waggle {

// One thread asks and takes.
class SelectionFollower {
 public:
  using Clock = std::chrono::steady_clock;

  explicit SelectionFollower(SelectionFinder finder);
  SelectionFollower(const SelectionFollower&) = delete;
  SelectionFollower& operator=(const SelectionFollower&) = delete;
  ~SelectionFollower() = default;

  // Does not wait.  In place of what was asked before and is not being looked for yet.
  // `at`: when to look, at the latest; sooner where the same has been asked for sooner.  Where
  // there is nothing to look for, it is there at once.
  void ask(const SelectionWish& wish, Clock::time_point at);
  // What was found last of what was asked last, once.
  std::optional<Result<Selection>> take();
  // Until there is something to take, or `is_over` says so.
  void wait(const std::function<bool()>& is_over);
  // What it does ends soon; what was asked is not looked for any more.
  void stop();
  [[nodiscard]] bool may_change(const SelectionWish& wish) const {
    return finder_.may_change(wish);
  }

 private:
  void run(const std::stop_token& stop);
  bool wait_for_time(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);

  SelectionFinder finder_;  // the thread's alone, but for may_change()

  std::mutex mutex_;
  std::condition_variable_any changed_;
  // The rest is guarded by mutex_.
  SelectionWish wanted_;
  std::optional<Clock::time_point> look_at_;  // not begun yet
  std::optional<Result<Selection>> found_;    // of wanted_
  std::jthread thread_;                       // last: it uses all of the above
};

}  // namespace waggle
