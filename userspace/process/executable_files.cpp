// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/executable_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "base/file.h"
#include "userspace/process/file_time.h"
#include "userspace/process/proc_fs.h"

namespace waggle {

namespace {

// Open descriptors; a host with 2,000 processes has some hundred executable files.
constexpr std::size_t kMaxFiles = 4096;

// The kernel makes a mapping usable shortly before it tells of it.
constexpr std::uint64_t kEarlyNs = 1'000'000;

std::string_view last_component(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

// When the inode was made.  The change time, where the file system keeps no time of birth, is
// later.
std::uint64_t born_ns(int fd, const FileIdentity& identity) {
  struct statx status{};
  std::int64_t real_ns = identity.ctime_ns;
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &status) == 0 &&
      (status.stx_mask & STATX_BTIME) != 0) {
    real_ns = status.stx_btime.tv_sec * 1'000'000'000 + status.stx_btime.tv_nsec;
  }
  return monotonic_ns(real_ns) + kFileTimeLagNs;
}

std::uint64_t written_ns(const ExecutableFile& file) {
  return monotonic_ns(file.identity.mtime_ns);
}

bool has_elf_magic(int fd) {
  std::array<std::byte, 4> magic{};
  const auto size = read_at(fd, 0, magic);
  return size && *size == magic.size() && std::memcmp(magic.data(), "\177ELF", magic.size()) == 0;
}

std::string area_path(pid_t pid, std::uint64_t start, std::uint64_t end) {
  return fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, start, end);
}

bool is_of(const FileIdentity& identity, const FileMapping& mapping) {
  return identity.dev == mapping.dev && identity.inode == mapping.inode;
}

// Kernels 6.7 to 6.17 tell of an overlay's own inode in /proc/PID/maps and of the one beneath in
// the event stream: there the addresses and the name have to do.
bool is_on_overlay(const ExecutableFile& file) {
  struct statfs status{};
  return ::fstatfs(file.fd.get(), &status) == 0 && status.f_type == OVERLAYFS_SUPER_MAGIC;
}

bool is_of(const MapsEntry& entry, const FileMapping& mapping) {
  return ::makedev(entry.device_major, entry.device_minor) == mapping.dev &&
         entry.inode == mapping.inode;
}

bool is_same_place(const MapsEntry& entry, const FileMapping& mapping) {
  return entry.start == mapping.start && entry.end == mapping.end &&
         last_component(entry.path) == last_component(mapping.path);
}

// The kernel's own area of that file, best one that overlaps: what the mapping was put together
// from, or is left of it.
Result<std::string> find_area(const FileMapping& mapping, bool is_overlay) {
  std::string found;
  bool is_overlap = false;
  TRY(ProcFs().read_code(static_cast<std::uint32_t>(mapping.pid), [&](const MapsEntry& entry) {
    const bool is_wanted = is_of(entry, mapping) || (is_overlay && is_same_place(entry, mapping));
    if (!is_wanted || is_overlap) {
      return;
    }
    is_overlap = entry.start < mapping.end && mapping.start < entry.end;
    if (is_overlap || found.empty()) {
      found = area_path(mapping.pid, entry.start, entry.end);
    }
  }));
  if (found.empty()) {
    return fail(Errc::not_found, std::string(mapping.path) + ": not mapped any more");
  }
  return found;
}

}  // namespace

ExecutableFiles::ExecutableFiles() : limit_(kMaxFiles) {
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    limit_ = std::min<std::size_t>(kMaxFiles, descriptors.rlim_cur / 2);  // of 1,024 as a rule
  }
}

std::size_t ExecutableFiles::InodeHash::operator()(const Inode& key) const {
  return std::hash<std::uint64_t>()(key.inode * 0x9e3779b97f4a7c15 ^ key.dev);
}

Result<ExecutableFiles::Known> ExecutableFiles::open_at(const std::string& place,
                                                        std::string_view path) {
  // A device or a pipe is never opened: that alone can have effects, or block for ever.
  const UniqueFd handle = TRY(open_file(place, O_PATH));
  struct stat status{};
  if (::fstat(handle.get(), &status) != 0) {
    return fail_errno(place, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Errc::unsupported, place + ": not a regular file");
  }
  const FileIdentity identity = identity_of(status);
  const auto known_since = [&](ExecutableFileRef file) {
    const std::uint64_t since_ns = std::max(born_ns(handle.get(), identity), written_ns(*file));
    return Known{.file = std::move(file), .since_ns = since_ns};
  };
  if (const auto known = by_identity_.find(identity); known != by_identity_.end()) {
    return known_since(known->second);  // nothing is opened, nothing is read
  }
  if (is_full()) {
    forget_unused();
  }
  if (is_full()) {
    return fail(Errc::exhausted, fmt::format("{}: {} files are open", place, limit_));
  }
  UniqueFd fd = TRY(
      open_file(fmt::format("/proc/self/fd/{}", handle.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  const bool is_elf = has_elf_magic(fd.get());
  auto file = std::make_shared<const ExecutableFile>(
      ExecutableFile{.id = next_id_++,
                     .identity = identity,
                     .is_elf = is_elf,
                     .name = std::string(last_component(path)),
                     .fd = std::move(fd)});
  by_id_.emplace(file->id, file);
  by_identity_.insert_or_assign(identity, file);
  return known_since(std::move(file));
}

void ExecutableFiles::forget_unused() {
  by_inode_.clear();
  std::erase_if(by_id_, [](const auto& entry) { return entry.second.use_count() == 2; });
  std::erase_if(by_identity_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

ExecutableFileRef ExecutableFiles::find(std::uint32_t id) const {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? nullptr : known->second;
}

// What the same addresses stand for now may be another file: after exec or dlopen, or in another
// process with that pid.
Result<ExecutableFiles::Known> ExecutableFiles::open_mapped(const FileMapping& mapping) {
  auto known = open_at(area_path(mapping.pid, mapping.start, mapping.end), mapping.path);
  if (known && is_of(known->file->identity, mapping)) {
    return known;
  }
  const bool is_overlay = known && is_on_overlay(*known->file);
  return open_at(TRY(find_area(mapping, is_overlay)), mapping.path);
}

Result<ExecutableFiles::Known> ExecutableFiles::open_by_path(const FileMapping& mapping) {
  for (const std::string& root : {fmt::format("/proc/{}/root", mapping.pid), std::string()}) {
    auto known = open_at(root + std::string(mapping.path), mapping.path);
    if (known && is_of(known->file->identity, mapping)) {
      return known;
    }
  }
  return fail(Errc::not_found, std::string(mapping.path) + ": no longer there");
}

// Forgetting nothing of what was known of the same file: it may have been written to since.
Result<ExecutableFileRef> ExecutableFiles::keep(const FileMapping& mapping, const Known& opened) {
  Known& known = by_inode_.try_emplace(inode_of(mapping), opened).first->second;
  if (known.file != opened.file) {
    known = opened;
  }
  if (mapping.time_ns + kEarlyNs < known.since_ns) {
    return fail(Errc::not_found, known.file->name + ": newer than the sample");
  }
  return known.file;
}

// Written to: what it is now counts from that time on.
void ExecutableFiles::renew(Known& known) {
  const auto now = identify(known.file->fd.get());
  if (!now || is_same_content(*now, known.file->identity)) {
    return;
  }
  auto renewed = open_at(fmt::format("/proc/self/fd/{}", known.file->fd.get()), known.file->name);
  if (renewed) {
    known = {.file = renewed->file, .since_ns = written_ns(*renewed->file)};
  }
}

ExecutableFileRef ExecutableFiles::find_known(const FileMapping& mapping) {
  const auto found = by_inode_.find(inode_of(mapping));
  if (found == by_inode_.end()) {
    return nullptr;
  }
  const ExecutableFileRef before = found->second.file;
  const bool was_there = mapping.time_ns + kEarlyNs >= found->second.since_ns;
  renew(found->second);
  const Known& known = found->second;
  // Where stat(2) tells of other devices than the mapping, the subvolumes of one file system may
  // have equal inode numbers.
  const bool is_certain =
      is_of(known.file->identity, mapping) || known.file->name == last_component(mapping.path);
  if (!is_certain) {
    return nullptr;
  }
  if (mapping.time_ns + kEarlyNs >= known.since_ns) {
    return known.file;
  }
  return was_there ? before : nullptr;
}

void ExecutableFiles::note(const FileMapping& mapping) {
  if (find_known(mapping) != nullptr) {
    return;
  }
  if (auto opened = open_mapped(mapping)) {  // a process that is gone already: open() tries on
    opened->since_ns =
        std::max(std::min(opened->since_ns, mapping.time_ns), written_ns(*opened->file));
    (void)keep(mapping, *opened);  // open() finds it
  }
}

Result<ExecutableFileRef> ExecutableFiles::open(const FileMapping& mapping) {
  ExecutableFileRef known = find_known(mapping);
  if (known != nullptr && is_of(known->identity, mapping)) {
    return known;
  }
  if (const auto opened = open_mapped(mapping)) {
    return keep(mapping, *opened);
  }
  if (known != nullptr) {
    return known;
  }
  return keep(mapping, TRY(open_by_path(mapping)));
}

}  // namespace waggle
