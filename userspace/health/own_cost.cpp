// SPDX-License-Identifier: Apache-2.0
#include "userspace/health/own_cost.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

using std::chrono::nanoseconds;

nanoseconds read_clock(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) {
    return {};  // it has ended
  }
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

nanoseconds duration_of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

// proc_pid_children(5): of each thread.
std::vector<pid_t> living_children() {
  std::vector<pid_t> children;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", gone)) {
    constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
    const std::string text = read_file(task.path().string() + "/children", kMaxBytes).value_or("");
    for (const std::string_view child : split(text, ' ')) {
      if (const auto pid = parse_number<pid_t>(child)) {
        children.push_back(*pid);
      }
    }
  }
  return children;
}

}  // namespace

nanoseconds own_cpu_time() {
  return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

nanoseconds children_cpu_time(std::optional<pid_t> except) {
  rusage waited{};
  (void)::getrusage(RUSAGE_CHILDREN, &waited);  // cannot fail for RUSAGE_CHILDREN
  nanoseconds sum = duration_of(waited.ru_utime) + duration_of(waited.ru_stime);
  for (const pid_t child : living_children()) {
    clockid_t clock{};
    if (child != except && ::clock_getcpuclockid(child, &clock) == 0) {
      sum += read_clock(clock);
    }
  }
  return sum;
}

std::size_t child_count() {
  return living_children().size();
}

// proc_pid_statm(5), in pages: all, resident, and of those the ones of files and shared memory.
OwnMemory own_memory() {
  constexpr std::size_t kMaxBytes = 256;
  const std::string text = read_file("/proc/self/statm", kMaxBytes).value_or("");
  const auto fields = split(text, ' ');
  const auto bytes_of = [&](std::size_t field) {
    const auto pages =
        fields.size() > field ? parse_number<std::uint64_t>(fields[field]) : std::nullopt;
    return pages.value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  };
  const std::uint64_t resident = bytes_of(1);
  return {.resident_bytes = resident,
          .anonymous_bytes = resident - std::min(resident, bytes_of(2))};
}

}  // namespace waggle
