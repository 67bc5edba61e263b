// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/proc_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unique_c.h"
#include "userspace/process/proc_cgroup.h"

namespace waggle {

namespace {

constexpr std::uint32_t kPfKthread = 0x00200000;  // include/linux/sched.h
constexpr std::size_t kStatLimitBytes = 16384;
constexpr std::size_t kStatusLimitBytes = 1 << 20;  // 65,536 groups, 11 bytes each

using Directory = std::unique_ptr<DIR, Deleter<::closedir>>;

Result<std::string> read_file_at(int directory, const char* name, std::size_t limit_bytes) {
  const UniqueFd fd(::openat(directory, name, O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    return fail_errno(name, errno);
  }
  return read_all(fd.get(), limit_bytes);
}

}  // namespace

std::chrono::nanoseconds age_of(std::uint64_t start_ticks) {
  timespec now{};
  CHECK(::clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  const std::uint64_t now_ns = (static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000) +
                               static_cast<std::uint64_t>(now.tv_nsec);
  const std::uint64_t start_ns = start_ticks * kTickNs;
  return std::chrono::nanoseconds(now_ns > start_ns ? now_ns - start_ns : 0);
}

std::optional<ProcStat> parse_stat(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open ||
      close + 2 > text.size()) {
    return std::nullopt;
  }
  // Field 3 (state) comes first here, so field N is fields[N - 3].
  const auto fields = split(text.substr(close + 2), ' ');
  if (fields.size() < 20) {
    return std::nullopt;
  }
  const auto parent_pid = parse_number<std::uint32_t>(fields[4 - 3]);
  const auto flags = parse_number<std::uint32_t>(fields[9 - 3]);
  const auto thread_count = parse_number<std::uint32_t>(fields[20 - 3]);
  const auto start_ticks = parse_number<std::uint64_t>(fields[22 - 3]);
  if (!parent_pid || !flags || !thread_count || !start_ticks) {
    return std::nullopt;
  }
  return ProcStat{std::string(text.substr(open + 1, close - open - 1)),
                  *parent_pid,
                  *thread_count,
                  *start_ticks,
                  (*flags & kPfKthread) != 0,
                  fields[0].empty() ? '?' : fields[0].front()};
}

Result<ProcStat> read_stat_at(int directory) {
  auto stat = parse_stat(TRY(read_file_at(directory, "stat", kStatLimitBytes)));
  if (!stat) {
    return fail(Errc::malformed, "stat: not as proc_pid_stat(5) says");
  }
  return *std::move(stat);
}

Result<ProcStatus> read_status_at(int directory) {
  const auto status = parse_status(TRY(read_file_at(directory, "status", kStatusLimitBytes)));
  if (!status) {
    return fail(Errc::malformed, "status: not as proc_pid_status(5) says");
  }
  return *status;
}

Result<std::vector<std::uint32_t>> ProcFs::list_pids() const {
  const Directory directory(::opendir(root_.c_str()));
  if (!directory) {
    return fail_errno(root_, errno);
  }
  std::vector<std::uint32_t> pids;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (const auto pid = parse_number<std::uint32_t>(entry->d_name)) {
      pids.push_back(*pid);
    }
  }
  std::ranges::sort(pids);
  return pids;
}

Result<ProcStat> ProcFs::read_stat(std::uint32_t pid) const {
  return read_code(pid, nullptr);
}

Result<ProcCgroup> ProcFs::read_cgroup(std::uint32_t pid) const {
  const UniqueFd directory = TRY(open_file(fmt::format("{}/{}", root_, pid), O_PATH | O_DIRECTORY));
  ProcStat stat = TRY(read_stat_at(directory.get()));
  std::string text = TRY(read_file_at(directory.get(), "cgroup", kMaxCgroupFileBytes));
  return ProcCgroup{.stat = std::move(stat), .cgroup = std::move(text)};
}

std::string ProcFs::read_thread_name(std::uint32_t pid, std::uint32_t tid) const {
  constexpr std::size_t kMaxBytes = 64;
  const auto name = read_file(fmt::format("{}/{}/task/{}/comm", root_, pid, tid), kMaxBytes);
  return name ? name->substr(0, name->find('\n')) : "";
}

Result<ProcStat> ProcFs::read_code(std::uint32_t pid, const MapsCallback& callback) const {
  // The directory stands for this process alone; after its end all in it fails.
  const UniqueFd directory = TRY(open_file(fmt::format("{}/{}", root_, pid), O_PATH | O_DIRECTORY));
  ProcStat stat = TRY(read_stat_at(directory.get()));
  if (callback) {
    const UniqueFd maps(::openat(directory.get(), "maps", O_RDONLY | O_CLOEXEC));
    if (!maps.is_open()) {
      return fail_errno("maps", errno);
    }
    TRY(read_maps(maps.get(), MapsFilter::executable, callback));
  }
  return stat;
}

}  // namespace waggle
