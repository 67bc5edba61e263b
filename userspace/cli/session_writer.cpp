// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/session_writer.h"

#include <optional>
#include <utility>

namespace waggle {

SessionWriter::SessionWriter() : thread_([this] { run(); }) {}

SessionWriter::~SessionWriter() {
  std::deque<Job> left;
  const std::scoped_lock lock(mutex_);
  left.swap(jobs_);
  is_ending_ = true;
  changed_.notify_all();
}

bool SessionWriter::push(Job job) {
  std::optional<Job> gone;  // destroyed without the lock: it may own children
  const std::scoped_lock lock(mutex_);
  if (jobs_.size() >= kMaxWaiting) {
    gone = std::move(jobs_.front());
    jobs_.pop_front();
  }
  jobs_.push_back(std::move(job));
  changed_.notify_all();
  return !gone;
}

void SessionWriter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return jobs_.empty() && !is_busy_; });
}

bool SessionWriter::finish(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [this] { return jobs_.empty() && !is_busy_; });
}

std::size_t SessionWriter::waiting() const {
  const std::scoped_lock lock(mutex_);
  return jobs_.size() + (is_busy_ ? 1 : 0);
}

void SessionWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !jobs_.empty() || is_ending_; });
    if (jobs_.empty()) {
      return;
    }
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    is_busy_ = true;
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
    is_busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace waggle
