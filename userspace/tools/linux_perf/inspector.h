// SPDX-License-Identifier: Apache-2.0
// A connection to a Node's inspector: HTTP for its id, then the Chrome DevTools Protocol over
// WebSocket, both by Boost.Beast (adr/0009).  Not for whether the port is a given process': that is
// the caller's to know.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/tools/linux_perf/listening_ports.h"
#include "userspace/tools/target_process.h"

namespace waggle {

// For how long a step may wait.
struct InspectorPatience {
  std::chrono::steady_clock::time_point deadline;
  std::stop_token hurry = {};

  [[nodiscard]] bool is_over() const {
    return hurry.stop_requested() || std::chrono::steady_clock::now() >= deadline;
  }
};

// One thread; each call waits.
class Inspector {
 public:
  static constexpr std::chrono::milliseconds kSlice{20};

  // In the network namespace of the process.  Errc::exhausted: it does not answer in time, or
  // the connection has ended.
  static Result<Inspector> connect(const TargetProcess& process, const ListeningPort& port,
                                   const InspectorPatience& patience);
  Inspector(const Inspector&) = delete;
  Inspector& operator=(const Inspector&) = delete;
  Inspector(Inspector&&) noexcept;
  Inspector& operator=(Inspector&&) noexcept;
  ~Inspector();

  // The text that the expression gives.  Errc::exhausted: as above.
  Result<std::string> evaluate(std::string_view expression, const InspectorPatience& patience);
  // The same for one that ends the connection instead of an answer.
  Result<> evaluate_last(std::string_view expression, const InspectorPatience& patience);

 private:
  struct Connection;
  explicit Inspector(std::unique_ptr<Connection> connection);

  std::unique_ptr<Connection> connection_;
};

}  // namespace waggle
