// SPDX-License-Identifier: Apache-2.0
// What an agent tells of itself: to Prometheus, to whoever asks whether it lives, and to systemd.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/cli/agent_sessions.h"
#include "userspace/health/http_server.h"
#include "userspace/health/listen_address.h"
#include "userspace/health/service_manager.h"

namespace waggle {

// Written by the main loop; asked on the server's thread, which never touches the sessions.
class AgentHealth {
 public:
  // Without a sign of the main loop for so long it is taken for stuck.
  static constexpr std::chrono::seconds kPatience{15};

  explicit AgentHealth(ServiceManager manager) : manager_(std::move(manager)) {}
  AgentHealth(const AgentHealth&) = delete;
  AgentHealth& operator=(const AgentHealth&) = delete;
  ~AgentHealth() = default;

  Result<> listen(const ListenAddress& address);
  // A few times a second: the main loop lives, and this is how things are.
  void publish(const AgentSessions& sessions, const SessionCounters& counters);
  [[nodiscard]] const ServiceManager& manager() const { return manager_; }

 private:
  using Clock = std::chrono::steady_clock;

  HttpReply answer(std::string_view path);

  ServiceManager manager_;
  Clock::time_point next_text_;
  Clock::time_point next_alive_;
  std::atomic<Clock::time_point> beat_ = Clock::now();
  std::atomic<bool> is_sampling_ = false;
  std::mutex mutex_;
  std::string text_;                  // guarded by mutex_
  std::optional<HttpServer> server_;  // last: it uses all of the above
};

}  // namespace waggle
