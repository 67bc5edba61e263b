// SPDX-License-Identifier: Apache-2.0
// Lets work that can wait have so much CPU time a second, on whatever threads it is done.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>

namespace waggle {

// CPU time that the calling thread has used.
std::chrono::nanoseconds thread_cpu_time();

// Thread-safe.  Without a limit until limit() is called.
class CpuPacer {
 public:
  using Clock = std::chrono::steady_clock;

  CpuPacer() = default;
  CpuPacer(const CpuPacer&) = delete;
  CpuPacer& operator=(const CpuPacer&) = delete;
  ~CpuPacer() = default;

  // From now on so much a second, and `credit` once on top of it; nullopt: as much as it likes.
  void limit(std::optional<std::chrono::nanoseconds> a_second, Clock::time_point now,
             std::chrono::nanoseconds credit = {});
  // Whether a piece of work may begin.  It can take more than is left: those after it wait.
  [[nodiscard]] bool may_begin(Clock::time_point now = Clock::now());
  void charge(std::chrono::nanoseconds used);
  // Sum of what was charged.
  [[nodiscard]] std::chrono::nanoseconds used() const;

 private:
  void earn(Clock::time_point now);

  mutable std::mutex mutex_;
  std::optional<std::chrono::nanoseconds> a_second_;  // guarded by mutex_, as all below
  std::chrono::nanoseconds credit_{};                 // below zero: what others wait for
  Clock::time_point earned_;
  std::chrono::nanoseconds used_{};
};

// Charges the CPU time of the calling thread between its beginning and its end.
class PacedWork {
 public:
  // `pacer`: outlives it; nullptr: nobody counts.
  explicit PacedWork(CpuPacer* pacer) : pacer_(pacer), begin_(thread_cpu_time()) {}
  PacedWork(const PacedWork&) = delete;
  PacedWork& operator=(const PacedWork&) = delete;
  ~PacedWork() {
    if (pacer_ != nullptr) {
      pacer_->charge(thread_cpu_time() - begin_);
    }
  }

 private:
  CpuPacer* pacer_;
  std::chrono::nanoseconds begin_;
};

}  // namespace waggle
