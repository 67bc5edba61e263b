// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/dump_threads.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "base/unique_c.h"
#include "base/unique_fd.h"
#include "userspace/process/proc_fs.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxThreads = 65'536;
constexpr std::size_t kStatLimitBytes = 16'384;
constexpr std::size_t kSyscallLimitBytes = 1024;
constexpr std::size_t kStackLimitBytes = 65'536;  // 64 functions (fs/proc/base.c)

using Directory = std::unique_ptr<DIR, Deleter<::closedir>>;

Result<std::string> read_file_at(int directory, const std::string& name, std::size_t limit_bytes) {
  const UniqueFd fd(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.is_open() ? read_all(fd.get(), limit_bytes) : fail_errno(name, errno);
}

// The directory of a process that ends stays open, and all in it fails.
Result<std::vector<pid_t>> list_threads(int process) {
  UniqueFd fd(::openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) {
    return fail_errno("task", errno);
  }
  const Directory directory(::fdopendir(fd.get()));
  if (!directory) {
    return fail_errno("task", errno);
  }
  (void)fd.release();  // closed with the directory
  std::vector<pid_t> tids;
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto tid = parse_number<pid_t>(entry->d_name);
    if (tid && tids.size() < kMaxThreads) {
      tids.push_back(*tid);
    }
  }
  std::ranges::sort(tids);
  return tids;
}

char state_in(std::string_view stat) {
  const std::size_t close = stat.rfind(')');
  return close != std::string_view::npos && close + 2 < stat.size() ? stat[close + 2] : '?';
}

// Nothing: the thread is gone.
std::optional<DumpedThread> read_thread(int process, pid_t tid, std::optional<Error>& problem) {
  const std::string folder = fmt::format("task/{}", tid);
  const auto text = read_file_at(process, folder + "/stat", kStatLimitBytes);
  const auto stat = text ? parse_stat(*text) : std::nullopt;
  if (!stat) {
    return std::nullopt;
  }
  DumpedThread thread{.tid = tid, .comm = stat->comm, .state = state_in(*text)};
  const UniqueFd directory(::openat(process, folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (const auto status = read_status_at(directory.get())) {
    thread.innermost_tid = status->innermost_pid;
  }
  if (const auto registers = read_file_at(process, folder + "/syscall", kSyscallLimitBytes)) {
    thread.user = parse_user_registers(*registers);
  }
  auto stack = read_file_at(process, folder + "/stack", kStackLimitBytes);
  if (stack) {
    thread.kernel_frames = parse_kernel_stack(*stack);
  } else if (!problem && stack.error().code == Errc::permission) {
    problem = std::move(stack).error();
  }
  return thread;
}

std::unexpected<Error> fail_gone(pid_t pid) {
  return fail(Errc::not_found, fmt::format("pid {}: no such process", pid));
}

}  // namespace

Result<DumpedProcess> read_threads(pid_t pid, const std::string& proc) {
  const auto process = open_file(fmt::format("{}/{}", proc, pid), O_PATH | O_DIRECTORY);
  if (!process) {
    return process.error().code == Errc::not_found ? fail_gone(pid)
                                                   : std::unexpected(process.error());
  }
  const auto stat = read_stat_at(process->get());
  const auto tids = list_threads(process->get());
  if (!stat || !tids) {
    return fail_gone(pid);
  }
  DumpedProcess dumped{.comm = stat->comm, .is_kernel_thread = stat->is_kernel_thread};
  for (const pid_t tid : *tids) {
    if (auto thread = read_thread(process->get(), tid, dumped.kernel_problem)) {
      dumped.threads.push_back(*std::move(thread));
    }
  }
  if (dumped.threads.empty()) {
    return fail_gone(pid);
  }
  return dumped;
}

std::vector<std::string> parse_kernel_stack(std::string_view text) {
  std::vector<std::string> frames;
  for (std::string_view line : split(text, '\n')) {
    // "[<0>] name+0x1/0x2 [module]"
    const std::size_t close = line.find("] ");
    if (close == std::string_view::npos) {
      continue;
    }
    line.remove_prefix(close + 2);
    line = line.substr(0, line.find(' '));
    frames.push_back(printable(line.substr(0, line.rfind("+0x"))));
  }
  return frames;
}

std::optional<UserRegisters> parse_user_registers(std::string_view text) {
  if (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  const auto fields = split(text, ' ');
  if (fields.size() < 3) {
    return std::nullopt;
  }
  const auto number = [](std::string_view field) {
    constexpr int kHexadecimal = 16;
    return field.starts_with("0x") ? parse_number<std::uint64_t>(field.substr(2), kHexadecimal)
                                   : std::nullopt;
  };
  const auto sp = number(fields[fields.size() - 2]);
  const auto ip = number(fields.back());
  return sp && ip && *sp != 0 && *ip != 0 ? std::optional(UserRegisters{.ip = *ip, .sp = *sp})
                                          : std::nullopt;
}

std::string_view state_text(char state) {
  switch (state) {
    case 'R':
      return "running";
    case 'S':
      return "sleeping";
    case 'D':
      return "sleeping, cannot be interrupted";
    case 'T':
      return "stopped";
    case 't':
      return "stopped by a tracer";
    case 'Z':
      return "ended, not waited for";
    case 'X':
      return "ended";
    case 'I':
      return "idle";
    default:
      return "in an unknown state";
  }
}

}  // namespace waggle
