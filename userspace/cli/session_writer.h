// SPDX-License-Identifier: Apache-2.0
// The thread that ends sessions: waits for their names and tools, and writes their files, while the
// next one is sampled.  Not for what a session's end is made of: record_engine.h.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace waggle {

class SessionWriter {
 public:
  using Job = std::move_only_function<void()>;
  // Sessions that wait: at most so many profiles are in memory.
  static constexpr std::size_t kMaxWaiting = 4;

  SessionWriter();
  SessionWriter(const SessionWriter&) = delete;
  SessionWriter& operator=(const SessionWriter&) = delete;
  // What waits is not run; waits for the one that runs.
  ~SessionWriter();

  // Never waits.  False: the oldest that waited had to go.
  bool push(Job job);
  // Waits until all are done.
  void finish();
  // Not longer than that.  False: some are not done.
  bool finish(std::chrono::milliseconds patience);
  [[nodiscard]] std::size_t waiting() const;

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;    // guarded by mutex_
  bool is_busy_ = false;    // guarded by mutex_
  bool is_ending_ = false;  // guarded by mutex_
  std::jthread thread_;     // last: it uses all of the above
};

}  // namespace waggle
