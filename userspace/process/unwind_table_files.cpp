// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/unwind_table_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "symbolizer/unwind_table_file.h"
#include "userspace/process/file_time.h"

namespace waggle {

namespace {

constexpr std::string_view kEnding = ".unwind";
constexpr const char* kPartial = "partial.unwind";
// As large as a table can be: symbolizer/unwind_table.cpp.
constexpr std::size_t kMaxFileBytes = std::size_t{128} << 20;
// A cache is no reason to fill a disk.
constexpr std::uint64_t kLeftFreeBytes = std::uint64_t{256} << 20;
constexpr std::size_t kMaxFiles = 65536;

std::string name_of(const FileIdentity& file) {
  return fmt::format("{:x}-{:x}-{:x}-{:x}-{:x}{}", file.dev, file.inode, file.size, file.mtime_ns,
                     file.ctime_ns, kEnding);
}

struct Kept {
  std::string name;
  std::size_t size_bytes;
  std::int64_t used_ns;  // its mtime: set when it is read
};

Result<std::vector<Kept>> list(int directory) {
  // Opened again: the position of a directory is its description's.
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* entries = fd < 0 ? nullptr : ::fdopendir(fd);
  if (entries == nullptr) {
    const int error = errno;
    if (fd >= 0) {
      ::close(fd);
    }
    return fail_errno("unwind cache", error);
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> closes(entries, ::closedir);
  std::vector<Kept> kept;
  while (const dirent* entry = ::readdir(entries)) {
    struct stat status{};
    const std::string_view name = &entry->d_name[0];
    if (kept.size() < kMaxFiles && name.ends_with(kEnding) &&
        ::fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode)) {
      kept.push_back({.name = std::string(name),
                      .size_bytes = static_cast<std::size_t>(status.st_size),
                      .used_ns = nanoseconds(status.st_mtim)});
    }
  }
  return kept;
}

}  // namespace

Result<std::unique_ptr<UnwindTableFiles>> UnwindTableFiles::open(const std::string& directory,
                                                                 std::size_t max_bytes) {
  if (::mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return fail_errno(directory, errno);
  }
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status{};
  if (!fd.is_open() || ::fstat(fd.get(), &status) != 0) {
    return fail_errno(directory, errno);
  }
  if (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(Errc::permission,
                fmt::format("{}: others could put tables there: it must be ours, and writable by "
                            "nobody else (chmod 700)",
                            directory));
  }
  return std::unique_ptr<UnwindTableFiles>(new UnwindTableFiles(std::move(fd), max_bytes));
}

std::optional<UnwindTable> UnwindTableFiles::read(const FileIdentity& file, UnwindRules& rules) {
  const std::string name = name_of(file);
  const UniqueFd fd(
      ::openat(directory_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.is_open()) {
    return std::nullopt;
  }
  (void)::futimens(fd.get(), nullptr);  // used now; a file system that is read-only keeps its order
  const auto bytes = read_all(fd.get(), kMaxFileBytes);
  if (bytes) {
    auto table = read_unwind_table(std::as_bytes(std::span(*bytes)), rules);
    if (table) {
      ++read_count_;
      return *std::move(table);
    }
    if (table.error().code == Errc::exhausted) {
      return std::nullopt;  // too many rules: compiling it finds a way
    }
  }
  ++damaged_count_;
  (void)::unlinkat(directory_.get(), name.c_str(), 0);
  return std::nullopt;
}

void UnwindTableFiles::write(const FileIdentity& file, const UnwindTable& table,
                             const UnwindRules& rules) {
  if (table.facts().refused_rows != 0) {
    return;  // there may be room for its rules next time
  }
  const std::string bytes = write_unwind_table(table, rules);
  const std::scoped_lock lock(writing_);
  // Of all who use the directory one writes; nobody waits, for they may be stopped.
  const bool is_mine = ::flock(directory_.get(), LOCK_EX | LOCK_NB) == 0;
  const bool is_written = is_mine && write_bytes(name_of(file), bytes).has_value();
  if (is_mine) {
    (void)::flock(directory_.get(), LOCK_UN);
  }
  ++(is_written ? written_count_ : failed_count_);
}

Result<> UnwindTableFiles::write_bytes(const std::string& name, const std::string& bytes) {
  TRY(make_room(bytes.size()));
  (void)::unlinkat(directory_.get(), kPartial, 0);  // of one who was killed
  const UniqueFd fd(::openat(directory_.get(), kPartial,
                             O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                             S_IRUSR | S_IWUSR));
  if (!fd.is_open()) {
    return fail_errno(kPartial, errno);
  }
  auto done = write_all(fd.get(), bytes);
  if (done && ::renameat(directory_.get(), kPartial, directory_.get(), name.c_str()) != 0) {
    done = fail_errno(name, errno);
  }
  if (!done) {
    (void)::unlinkat(directory_.get(), kPartial, 0);
    return done;
  }
  *size_bytes_ += bytes.size();
  return {};
}

Result<> UnwindTableFiles::make_room(std::size_t more_bytes) {
  struct statvfs space{};
  if (::fstatvfs(directory_.get(), &space) != 0) {
    return fail_errno("unwind cache", errno);
  }
  if (space.f_bavail * space.f_frsize < kLeftFreeBytes + more_bytes || more_bytes > max_bytes_) {
    return fail(Errc::exhausted, "no room on disk");
  }
  if (size_bytes_ && *size_bytes_ + more_bytes <= max_bytes_) {
    return {};
  }
  std::vector<Kept> kept = TRY(list(directory_.get()));
  std::size_t size_bytes = 0;
  for (const Kept& one : kept) {
    size_bytes += one.size_bytes;
  }
  std::ranges::sort(kept, std::less(), &Kept::used_ns);
  for (auto oldest = kept.begin(); size_bytes + more_bytes > max_bytes_ && oldest != kept.end();
       ++oldest) {
    if (::unlinkat(directory_.get(), oldest->name.c_str(), 0) != 0 && errno != ENOENT) {
      return fail_errno(oldest->name, errno);
    }
    size_bytes -= oldest->size_bytes;
  }
  size_bytes_ = size_bytes;
  return {};
}

UnwindTableFiles::Counters UnwindTableFiles::counters() const {
  return {.read = read_count_,
          .written = written_count_,
          .damaged = damaged_count_,
          .failed = failed_count_};
}

}  // namespace waggle
