// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/agent_checks.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"
#include "userspace/attach/privileges.h"

namespace waggle {

namespace {

Result<UniqueFd> bind_abstract(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK(name.size() < sizeof(address.sun_path));
  std::ranges::copy(name, address.sun_path + 1);  // after a zero: no file
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) {
    return fail_errno("socket", errno);
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    const int error = errno;
    auto failed = fail_errno("bind", error);
    failed.error().code = error == EADDRINUSE ? Errc::exhausted : Errc::system;
    return failed;
  }
  return socket;
}

}  // namespace

Result<> check_user(bool is_rootless) {
  const bool is_root = ::geteuid() == 0;
  if (!is_root && !is_rootless) {
    return fail(Errc::permission, "Not running as root, rerun with --rootless or as root.");
  }
  if (is_root && is_rootless) {
    return fail(Errc::permission,
                "Running as root with --rootless, rerun without it or not as root.");
  }
  return {};
}

Result<> check_pid_namespace() {
  if (!TRY(is_in_initial_pid_namespace())) {
    return fail(Errc::unsupported,
                "Not running in the host's PID namespace: run the container with --pid=host, or in "
                "Kubernetes with hostPID: true.\n"
                "Rerun with --disable-pidns-check to go on without this check.");
  }
  return {};
}

// Sockets are of the namespace in which they were made, which is a matter of the thread.
Result<AgentLock> AgentLock::take(const std::string& name) {
  Result<UniqueFd> socket = fail(Errc::system, "not tried");
  std::thread([&] {
    const auto host = open_file("/proc/1/ns/net", O_RDONLY);
    if (host) {
      (void)::setns(host->get(), CLONE_NEWNET);  // not allowed: the lock holds in our namespace
    }
    socket = bind_abstract(name);
  }).join();
  if (socket) {
    return AgentLock(*std::move(socket));
  }
  if (socket.error().code == Errc::exhausted) {
    return fail(Errc::exhausted,
                fmt::format("Could not acquire waggle's lock. Is it already running? Try 'sudo "
                            "netstat -xp | grep {}' to see which process holds the lock.",
                            printable(name)));
  }
  return fail(socket.error().code,
              fmt::format("Could not acquire waggle's lock due to an error. Are you running waggle "
                          "in privileged mode? ({})",
                          socket.error().what));
}

}  // namespace waggle
