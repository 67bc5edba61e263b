// SPDX-License-Identifier: Apache-2.0
#include "userspace/health/service_manager.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "base/unique_fd.h"

namespace waggle {

namespace {

// And gone from there.
std::string take_variable(const char* name) {
  const char* value = ::getenv(name);
  const std::string taken = value != nullptr ? value : "";
  (void)::unsetenv(name);  // fails for a name that is none
  return taken;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  manager.socket_ = take_variable("NOTIFY_SOCKET");
  const auto period = parse_number<std::int64_t>(take_variable("WATCHDOG_USEC"));
  const auto pid = parse_number<pid_t>(take_variable("WATCHDOG_PID"));
  if (period && *period > 0 && (!pid || *pid == ::getpid())) {
    manager.watchdog_ = std::chrono::microseconds(*period);
  }
  return manager;
}

void ServiceManager::tell(std::string_view assignments) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() < 2 || socket_.size() >= sizeof(address.sun_path) ||
      (socket_[0] != '/' && socket_[0] != '@')) {
    return;
  }
  std::ranges::copy(socket_, address.sun_path);
  if (socket_[0] == '@') {
    address.sun_path[0] = '\0';  // an abstract name
  }
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.is_open()) {
    (void)::sendto(fd.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL,
                   reinterpret_cast<const sockaddr*>(&address), size);  // nobody waits for it
  }
}

void ServiceManager::tell_ready(std::string_view status) const {
  tell(fmt::format("READY=1\nSTATUS={}", printable(status)));
}

void ServiceManager::tell_status(std::string_view status) const {
  tell(fmt::format("STATUS={}", printable(status)));
}

// With the clock that systemd orders a reload and the READY after it by.
void ServiceManager::tell_reloading() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                   std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
}

}  // namespace waggle
