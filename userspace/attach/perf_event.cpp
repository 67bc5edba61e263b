// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/perf_event.h"

#include <fmt/core.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

constexpr std::size_t kCpuListLimitBytes = 65536;
constexpr int kMaxCpuNumber = 65535;

// The sysctl decides only for those without the capability; its value tells which of both to mend.
std::string permission_remedy() {
  const auto text = read_file("/proc/sys/kernel/perf_event_paranoid", 64);
  std::string_view level = text ? std::string_view(*text) : "unknown";
  level = level.substr(0, level.find('\n'));
  return fmt::format(
      "; kernel.perf_event_paranoid is {}: run as root or with CAP_PERFMON; in a container its "
      "seccomp profile must allow perf_event_open",
      level);
}

std::unexpected<Error> fail_open(int error_number) {
  std::string what =
      fmt::format("perf_event_open: {}", std::generic_category().message(error_number));
  switch (error_number) {
    case EACCES:
    case EPERM:
      return fail(Errc::permission, what + permission_remedy());
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
      return fail(Errc::unsupported,
                  what +
                      "; this machine lacks the event (virtual machines often have no PMU): "
                      "use a software event such as cpu-clock");
    case EINVAL:
    case E2BIG:
      return fail(Errc::unsupported,
                  what + "; this kernel does not know an attribute of the event");
    case ENOSYS:
      return fail(Errc::unsupported, what + "; the kernel is built without CONFIG_PERF_EVENTS");
    case ESRCH:
      return fail(Errc::not_found, what + "; the process is gone");
    case EMFILE:
      return fail(Errc::exhausted, what + "; raise the limit of open files (ulimit -n)");
    case ENFILE:
      return fail(Errc::exhausted, what + "; raise the sysctl fs.file-max");
    case EBUSY:
      return fail(Errc::exhausted, what + "; another program holds the PMU exclusively");
    case ENOSPC:
    case ENOMEM:
      return fail(Errc::exhausted, what + "; the kernel has no room for one more event");
    default:
      return fail(Errc::system, std::move(what));
  }
}

}  // namespace

Result<UniqueFd> open_perf_event(const perf_event_attr& attr, pid_t pid, int cpu, int group_fd,
                                 unsigned long flags) {
  perf_event_attr sized = attr;
  sized.size = sizeof(sized);
  const long fd =
      ::syscall(SYS_perf_event_open, &sized, pid, cpu, group_fd, flags | PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) {
    return fail_open(errno);
  }
  return UniqueFd(static_cast<int>(fd));
}

std::optional<std::vector<int>> parse_cpu_list(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) {
    text.remove_suffix(1);
  }
  std::vector<int> cpus;
  for (const std::string_view part : split(text, ',')) {
    const std::size_t dash = part.find('-');
    const auto first = parse_number<int>(part.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : parse_number<int>(part.substr(dash + 1));
    const int least = cpus.empty() ? 0 : cpus.back() + 1;
    if (!first || !last || *first < least || *last < *first || *last > kMaxCpuNumber) {
      return std::nullopt;
    }
    for (int cpu = *first; cpu <= *last; ++cpu) {
      cpus.push_back(cpu);
    }
  }
  return cpus;
}

Result<std::vector<int>> online_cpus(const std::string& path) {
  const std::string text = TRY(read_file(path, kCpuListLimitBytes));
  auto cpus = parse_cpu_list(text);
  if (!cpus) {
    return fail(Errc::malformed, fmt::format("{}: not a list of CPUs", path));
  }
  return *std::move(cpus);
}

}  // namespace waggle
