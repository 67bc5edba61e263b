// SPDX-License-Identifier: Apache-2.0
// Programs that were sampled get told of, on a thread that may wait for their files.  Not for what
// is read: application_metadata.h.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "userspace/metadata/application_metadata.h"
#include "userspace/process/application.h"

namespace waggle {

// Any thread.
class ApplicationReader {
 public:
  // What is sampled first on a large host waits no longer than a few seconds; 0.3 ms each.
  static constexpr int kReadsPerSecond = 500;
  static constexpr std::size_t kMaxWaiting = 4096;  // others are not told of

  explicit ApplicationReader(ApplicationWishes wishes);
  ApplicationReader(const ApplicationReader&) = delete;
  ApplicationReader& operator=(const ApplicationReader&) = delete;
  ~ApplicationReader() = default;

  // Does not wait.
  void want(ApplicationRef application);
  // Until all that is wanted is told, or the time is over.
  void wait(std::chrono::milliseconds longest, const std::stop_token& hurry = {});
  // That its thread has used so far.
  [[nodiscard]] std::chrono::nanoseconds cpu_time() const { return cpu_time_; }
  // What others tell of processes; of those that are read from now on.
  void take_told(ToldApplications told);

 private:
  // Equal facts as one object; those that nobody has any more are forgotten.
  ApplicationFactsRef intern(ApplicationFacts facts);
  void run(const std::stop_token& stop);

  const ApplicationWishes wishes_;
  ApplicationFiles files_;  // the thread's alone, as the next
  std::unordered_map<std::string, std::weak_ptr<const ApplicationFacts>> known_;

  std::atomic<std::chrono::nanoseconds> cpu_time_{};

  std::mutex mutex_;
  std::condition_variable_any changed_;
  // The rest is guarded by mutex_.
  std::deque<ApplicationRef> wanted_;
  std::shared_ptr<const ToldApplications> told_ = std::make_shared<const ToldApplications>();
  bool is_reading_ = false;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace waggle
