// SPDX-License-Identifier: Apache-2.0
// Signals of an agent, heard on a thread of their own: it ends in time also when the main loop, a
// tool or a file system hangs.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/cli/stop_signals.h"

namespace waggle {

class AgentSignals {
 public:
  // From the first SIGINT or SIGTERM on; on a busy machine the kernel takes up to 0.3 s more to
  // free what a process leaves behind.
  static constexpr std::chrono::milliseconds kEndTime{1500};

  // Before any other thread.  `last_words` is called on the thread here, when the time is up;
  // then the process ends with the status that it returns, and its children with it.
  static Result<std::unique_ptr<AgentSignals>> start(std::function<int()> last_words);
  AgentSignals(const AgentSignals&) = delete;
  AgentSignals& operator=(const AgentSignals&) = delete;
  ~AgentSignals();

  // Readable when a signal has come; read() empties it.
  [[nodiscard]] int fd() const { return heard_.get(); }
  void read();
  // Something else ends the agent: the time runs from now on.
  void begin_end();
  [[nodiscard]] bool is_ending() const { return is_ending_; }
  // Whether SIGHUP has come since the last call.
  bool take_reload() { return is_reloading_.exchange(false); }

 private:
  AgentSignals(StopSignals signals, UniqueFd heard, UniqueFd wake, std::function<int()> last_words);
  void run();
  void take_signal();

  StopSignals signals_;
  UniqueFd heard_;  // for the main loop
  UniqueFd wake_;   // for the thread
  std::function<int()> last_words_;
  std::atomic<bool> is_ending_ = false;
  std::atomic<bool> is_reloading_ = false;
  std::atomic<bool> is_over_ = false;
  std::jthread thread_;
};

}  // namespace waggle
