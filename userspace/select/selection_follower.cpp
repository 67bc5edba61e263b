// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/selection_follower.h"

#include <algorithm>
#include <utility>

namespace waggle {

SelectionFollower::SelectionFollower(SelectionFinder finder) : finder_(std::move(finder)) {}

void SelectionFollower::ask(const SelectionWish& wish, Clock::time_point at) {
  const std::scoped_lock lock(mutex_);
  if (wish != wanted_) {
    wanted_ = wish;
    look_at_.reset();
    found_.reset();
  }
  if (!may_change(wish)) {
    Selection selection;
    selection.comms = wish.comms;
    found_ = std::move(selection);
    return;
  }
  look_at_ = look_at_ ? std::min(at, *look_at_) : at;
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  changed_.notify_all();
}

std::optional<Result<Selection>> SelectionFollower::take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(found_, std::nullopt);
}

void SelectionFollower::wait(const std::function<bool()>& is_over) {
  constexpr std::chrono::milliseconds kLook(20);
  std::unique_lock lock(mutex_);
  while (!found_ && !is_over()) {
    (void)changed_.wait_for(lock, kLook, [this] { return found_.has_value(); });
  }
}

void SelectionFollower::stop() {
  thread_.request_stop();
}

// Until it is time to look; false: it is to end.
bool SelectionFollower::wait_for_time(std::unique_lock<std::mutex>& lock,
                                      const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (!look_at_) {
      (void)changed_.wait(lock, stop, [this] { return look_at_.has_value(); });
      continue;
    }
    const Clock::time_point at = *look_at_;
    if (Clock::now() >= at) {
      return true;
    }
    (void)changed_.wait_until(lock, stop, at, [&] { return look_at_ != at; });
  }
  return false;
}

void SelectionFollower::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wait_for_time(lock, stop)) {
    const SelectionWish wish = wanted_;
    look_at_.reset();
    lock.unlock();
    Result<Selection> selection = finder_.find(wish, stop);
    lock.lock();
    if (wish == wanted_) {
      found_ = std::move(selection);
    }
    changed_.notify_all();
  }
}

}  // namespace waggle
