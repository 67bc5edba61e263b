// SPDX-License-Identifier: Apache-2.0
// What systemd is told of a service of Type=notify: the protocol of sd_notify(3), without its
// library.  Silent where nobody listens.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace waggle {

class ServiceManager {
 public:
  // Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment: children are not the service.
  static ServiceManager from_environment();
  ServiceManager() = default;

  // "STATUS=text" lines; a newline in a value would begin another.
  void tell(std::string_view assignments) const;
  void tell_ready(std::string_view status) const;
  void tell_status(std::string_view status) const;
  void tell_reloading() const;
  void tell_stopping() const { tell("STOPPING=1"); }
  void tell_alive() const { tell("WATCHDOG=1"); }

  // How often it wants to hear that we live.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

 private:
  std::string socket_;  // "": nobody listens
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace waggle
