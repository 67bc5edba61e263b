// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/node_attachments.h"

#include <fmt/core.h>

#include <algorithm>

#include "userspace/runtime_profilers/profiler.h"

namespace waggle {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr seconds kAnswerTime(3);  // of one Node, for all it is asked at a time
constexpr seconds kRetryInterval(1);
constexpr int kMaxTries = 5;
constexpr seconds kTouchInterval(10);  // less than a sixth of MapLogging::kMaxUnattended
constexpr seconds kLastWait(1);
constexpr seconds kUnattended = MapLogging::kMaxUnattended;
constexpr milliseconds kGlance(100);  // for an inspector that was late already

}  // namespace

NodeAttachments::~NodeAttachments() {
  if (!is_ending_) {
    begin_end();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kLastWait, [this] { return has_ended_; });
  }
  hurry_.request_stop();
}

bool NodeAttachments::add(NodeProcess node) {
  const std::scoped_lock lock(mutex_);
  const auto known = known_.find(node.pid);
  if (is_ending_ || (known != known_.end() && known->second == node.start_ticks)) {
    return true;
  }
  if (known_.size() >= kMaxNodes) {
    return false;
  }
  known_[node.pid] = node.start_ticks;
  waiting_.push_back(std::make_unique<MapLogging>(std::move(node)));
  changed_.notify_all();
  if (!thread_.joinable()) {
    has_ended_ = false;
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  return true;
}

void NodeAttachments::wait(milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return waiting_.empty() && !is_busy_; });
}

std::vector<std::pair<pid_t, std::string>> NodeAttachments::take_problems() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(problems_, {});
}

void NodeAttachments::begin_end() {
  const std::scoped_lock lock(mutex_);
  is_ending_ = true;
  deadline_ = Clock::now() + kRuntimeStopTime;
  waiting_.clear();
  ending_.request_stop();
  changed_.notify_all();
}

std::vector<std::string> NodeAttachments::finish(const std::stop_token& hurry) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, hurry, deadline_, [this] { return has_ended_; });
  }
  hurry_.request_stop();
  if (thread_.joinable()) {
    thread_.join();  // it looks at that each Inspector::kSlice
  }
  nodes_.clear();
  for (const auto& [pid, reason] : take_problems()) {
    left_.push_back(fmt::format("process {}: {}", pid, reason));
  }
  return std::exchange(left_, {});
}

void NodeAttachments::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!is_ending_ && !stop.stop_requested()) {
    const bool has_work = changed_.wait_for(lock, stop, kRetryInterval,
                                            [this] { return !waiting_.empty() || is_ending_; });
    if (is_ending_) {
      break;
    }
    std::unique_ptr<MapLogging> next;
    if (has_work) {
      next = std::move(waiting_.front());
      waiting_.pop_front();
      is_busy_ = true;
    }
    lock.unlock();
    if (next) {
      begin(std::move(next));
    } else {
      retry();
    }
    tend();
    lock.lock();
    is_busy_ = false;
    changed_.notify_all();
  }
  lock.unlock();
  tell_waiting();
  end_all();
  lock.lock();
  has_ended_ = true;
  changed_.notify_all();
}

void NodeAttachments::begin(std::unique_ptr<MapLogging> logging) {
  const pid_t pid = logging->node().pid;
  const Result<> begun = logging->begin(
      modules_, {.deadline = Clock::now() + kAnswerTime, .hurry = ending_.get_token()});
  const bool may_come = !begun && begun.error().code == Errc::exhausted;
  nodes_[pid] = std::move(logging);
  if (begun) {
    tries_.erase(pid);
    return;
  }
  Tries& tries = tries_[pid];
  if (may_come && ++tries.count < kMaxTries) {
    tries.reason = begun.error().what;
    return;
  }
  tries_.erase(pid);
  if (!nodes_[pid]->node().is_alive()) {
    return;
  }
  const std::scoped_lock lock(mutex_);
  problems_.emplace_back(pid, begun.error().what);
}

// Those that did not answer yet.
void NodeAttachments::retry() {
  for (const auto& [pid, tries] : std::map(tries_)) {
    if (const auto found = nodes_.find(pid); found != nodes_.end()) {
      begin(std::move(found->second));
    }
    tend();  // each may have taken its whole time
  }
}

// Those that never did.
void NodeAttachments::tell_waiting() {
  const std::scoped_lock lock(mutex_);
  for (const auto& [pid, tries] : tries_) {
    if (nodes_[pid]->node().is_alive()) {
      problems_.emplace_back(pid, tries.reason);
    }
  }
}

// That we are here, to those that write their maps; none may wait for it too long.
void NodeAttachments::tend() {
  if (Clock::now() < next_touch_) {
    return;
  }
  next_touch_ = Clock::now() + kTouchInterval;
  std::vector<pid_t> gone;
  for (const auto& [pid, logging] : nodes_) {
    if (logging->node().is_alive()) {
      logging->touch();
    } else {
      gone.push_back(pid);
    }
  }
  const std::scoped_lock lock(mutex_);
  for (const pid_t pid : gone) {
    nodes_.erase(pid);
    tries_.erase(pid);
    known_.erase(pid);
  }
}

void NodeAttachments::end_all() {
  std::vector<std::string> left;
  for (const auto& [pid, logging] : nodes_) {
    const milliseconds time = logging->is_on() ? kAnswerTime : kGlance;
    const Result<> ended = logging->end(
        {.deadline = std::min(deadline_, Clock::now() + time), .hurry = hurry_.get_token()});
    if (!ended && logging->node().is_alive()) {
      left.push_back(fmt::format(
          "process {}: {}: its inspector may stay open{}", pid, ended.error().what,
          logging->is_on() ? fmt::format(", and its perf map go on for {} s", kUnattended.count())
                           : ""));
    }
  }
  const std::scoped_lock lock(mutex_);
  left_ = std::move(left);
}

}  // namespace waggle
