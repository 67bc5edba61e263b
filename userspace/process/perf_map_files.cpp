// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/perf_map_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <string_view>

#include "base/file.h"
#include "userspace/process/file_time.h"
#include "userspace/process/proc_fs.h"
#include "userspace/process/proc_status.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxEntries = 16384;
constexpr std::uint64_t kLookIntervalNs = 1'000'000'000;

// A handle that reads nothing: what it stands for is looked at before it is opened.
Result<UniqueFd> find_in_root(int root, const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how));
  if (fd < 0) {
    return fail_errno(path, errno);
  }
  return UniqueFd(static_cast<int>(fd));
}

Result<> check_owner(int handle, uid_t process_uid, const std::string& path) {
  struct stat status{};
  if (::fstat(handle, &status) != 0) {
    return fail_errno(path, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Errc::unsupported, path + ": not a regular file");
  }
  if (status.st_uid != process_uid && status.st_uid != 0) {
    return fail(Errc::permission, path + ": of another user than the process");
  }
  return {};
}

struct stat status_of(const PerfMapFile& file) {
  struct stat status{};
  (void)::fstat(file.fd.get(), &status);  // of an open regular file: does not fail
  return status;
}

}  // namespace

Result<OpenedPerfMap> open_perf_map(const std::string& proc_root, std::uint32_t pid) {
  // The directory stands for this process alone; after its end all in it fails.
  const UniqueFd directory =
      TRY(open_file(fmt::format("{}/{}", proc_root, pid), O_PATH | O_DIRECTORY));
  const ProcStat stat = TRY(read_stat_at(directory.get()));
  const ProcStatus status = TRY(read_status_at(directory.get()));
  const UniqueFd root(::openat(directory.get(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open()) {
    return fail_errno("root", errno);
  }
  const std::string path = fmt::format("/tmp/perf-{}.map", status.innermost_pid);
  const UniqueFd handle = TRY(find_in_root(root.get(), path));
  TRY(check_owner(handle.get(), status.effective_uid, path));
  UniqueFd fd = TRY(
      open_file(fmt::format("/proc/self/fd/{}", handle.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  return OpenedPerfMap{.fd = std::move(fd), .start = StartTime::from_ticks(stat.start_ticks)};
}

PerfMapFiles::Entry& PerfMapFiles::entry_of(std::uint32_t pid) {
  if (open_count_ >= kMaxOpen || by_pid_.size() >= kMaxEntries) {
    by_pid_.clear();  // rare; they are found again while their processes live
    open_count_ = 0;
  }
  return by_pid_[pid];
}

void PerfMapFiles::look(Entry& entry, std::uint32_t pid) {
  auto opened = open_perf_map(proc_root_, pid);
  if (!opened) {
    return;  // what an earlier process left here stays
  }
  open_count_ += entry.file == nullptr ? 1 : 0;
  entry.file = std::make_shared<const PerfMapFile>(
      PerfMapFile{.id = next_id_++, .fd = std::move(opened->fd)});
  entry.start = opened->start;
}

void PerfMapFiles::note(std::uint32_t pid) {
  Entry& entry = entry_of(pid);
  // The file may come only after the memory, and a JIT compiler makes memory again and again.
  if (std::has_single_bit(++entry.note_count)) {
    look(entry, pid);
  }
}

PerfMapFileRef PerfMapFiles::find(const process_id& process, std::uint64_t program_since_ns) {
  Entry& entry = entry_of(process.tgid);
  const StartTime start = StartTime::exact(process.start_boottime_ns);
  const auto is_of_process = [&] {
    return entry.file != nullptr && entry.start.agrees_with(start);
  };
  const std::uint64_t now_ns = monotonic_now_ns();
  const bool is_wanting = !is_of_process() || status_of(*entry.file).st_nlink == 0;
  if (is_wanting && now_ns >= entry.next_look_ns) {
    entry.next_look_ns = now_ns + kLookIntervalNs;
    look(entry, process.tgid);
  }
  if (!is_of_process()) {
    return nullptr;
  }
  const std::uint64_t asleep_ns = static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME)) - now_ns;
  const std::uint64_t process_since_ns =
      process.start_boottime_ns - std::min<std::uint64_t>(asleep_ns, process.start_boottime_ns);
  const std::uint64_t written_ns =
      monotonic_ns(nanoseconds(status_of(*entry.file).st_mtim)) + kFileTimeLagNs;
  return written_ns >= std::max(program_since_ns, process_since_ns) ? entry.file : nullptr;
}

}  // namespace waggle
