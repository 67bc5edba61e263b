// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/process_exit.h"

#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

// <linux/pidfd.h> of 6.15, its first edition of 64 bytes.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t pid, tgid, ppid;
  std::uint32_t ids[8];
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kInfoExit = 1U << 3;
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

// Of a zombie: the last field of its stat.
std::optional<int> read_zombie_status(pid_t pid) {
  constexpr std::size_t kMaxBytes = 4096;
  const auto text = read_file(fmt::format("/proc/{}/stat", pid), kMaxBytes);
  const std::size_t name_end = text ? text->rfind(") Z ") : std::string::npos;
  if (name_end == std::string::npos) {
    return std::nullopt;
  }
  const std::string_view last = std::string_view(*text).substr(text->rfind(' ') + 1);
  return parse_number<int>(last.substr(0, last.find('\n')));
}

}  // namespace

Result<ProcessExit> ProcessExit::watch(pid_t pid) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.is_open()) {
    return fail_errno("pidfd_open", errno);
  }
  return ProcessExit(pid, std::move(pidfd));
}

std::optional<int> ProcessExit::find_status() const {
  pollfd wait{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&wait, 1, 0) != 1) {
    return std::nullopt;
  }
  // While it waits for its parent its pid is its own.
  const bool is_zombie = ::syscall(SYS_pidfd_send_signal, pidfd_.get(), 0, nullptr, 0) == 0;
  if (const auto status = is_zombie ? read_zombie_status(pid_) : std::nullopt) {
    return status;
  }
  PidfdInfo info{
      .mask = kInfoExit, .cgroup_id = 0, .pid = 0, .tgid = 0, .ppid = 0, .ids = {}, .exit_code = 0};
  const bool is_told = ::ioctl(pidfd_.get(), kGetInfo, &info) == 0 && (info.mask & kInfoExit) != 0;
  return is_told ? std::optional(static_cast<int>(info.exit_code)) : std::nullopt;
}

}  // namespace waggle
