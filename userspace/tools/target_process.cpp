// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/target_process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>

#include "base/file.h"
#include "userspace/process/proc_fs.h"

namespace waggle {

Result<> TargetProcess::open(pid_t of) {
  pid = of;
  directory = TRY(open_file(fmt::format("/proc/{}", of), O_PATH | O_DIRECTORY));
  return {};
}

Result<> TargetProcess::identify() {
  start_ticks = TRY(read_stat_at(directory.get())).start_ticks;
  status = TRY(read_status_at(directory.get()));
  return {};
}

bool TargetProcess::is_alive() const {
  constexpr char kZombie = 'Z';
  const auto stat = read_stat_at(directory.get());
  return stat && stat->state != kZombie;
}

bool TargetProcess::is_starting() const {
  constexpr std::chrono::seconds kStart(5);
  return age_of(start_ticks) < kStart;
}

Result<UniqueFd> TargetProcess::open_root() const {
  UniqueFd root(::openat(directory.get(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open()) {
    return fail_errno(fmt::format("/proc/{}/root", pid), errno);
  }
  return root;
}

std::string TargetProcess::read_text(const char* file) const {
  constexpr std::size_t kMaxBytes = std::size_t{4} << 20;
  const UniqueFd fd(::openat(directory.get(), file, O_RDONLY | O_CLOEXEC));
  return fd.is_open() ? read_all(fd.get(), kMaxBytes).value_or("") : "";
}

bool TargetProcess::catches(int signal) const {
  const auto now = read_status_at(directory.get());  // it is still this process
  return now && now->catches(signal);
}

Result<> TargetProcess::send_caught(int signal, std::string_view what) const {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!catches(signal)) {
    return fail(Errc::not_found, fmt::format("{} has ended", what));
  }
  const long failed = process.is_open()
                          ? ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0)
                          : ::kill(pid, signal);
  if (failed != 0) {
    return fail_errno(fmt::format("signal {}", signal), errno);
  }
  return {};
}

std::string path_in_root_of(const TargetProcess& process, std::string path) {
  std::array<char, 4096> root{};
  const ssize_t size = ::readlinkat(process.directory.get(), "root", root.data(), root.size());
  const std::string_view prefix(root.data(), size > 1 ? static_cast<std::size_t>(size) : 0);
  const bool is_below = !prefix.empty() && path.starts_with(prefix) &&
                        path.size() > prefix.size() && path[prefix.size()] == '/';
  return is_below ? path.substr(prefix.size()) : path;
}

}  // namespace waggle
