// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/executable_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "userspace/process/file_time.h"
#include "userspace/process/proc_fs.h"

namespace waggle {

// What stat(2) says of a file.
struct SeenFile {
  FileIdentity identity;
  std::uint64_t since_ns;  // CLOCK_MONOTONIC: there, and with this content, at the latest
  bool is_deleted;
};

namespace {

// A host with 2,000 processes has some hundred executable files.
constexpr std::size_t kMaxFiles = 4096;

// Open until they are read.  What is more is read when it is wanted, if it is still there.
constexpr std::size_t kMaxOpened = 64;

// The kernel makes a mapping usable shortly before it tells of it.
constexpr std::uint64_t kEarlyNs = 1'000'000;

std::string_view last_component(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::int64_t nanoseconds(const statx_timestamp& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

FileIdentity identity_of(const struct statx& status) {
  return {.dev = ::makedev(status.stx_dev_major, status.stx_dev_minor),
          .inode = status.stx_ino,
          .size = status.stx_size,
          .mtime_ns = nanoseconds(status.stx_mtime),
          .ctime_ns = nanoseconds(status.stx_ctime)};
}

// When the inode was made.  The change time, where the file system keeps no time of birth, is
// later.
std::uint64_t born_ns(const struct statx& status) {
  const bool is_known = (status.stx_mask & STATX_BTIME) != 0;
  return monotonic_ns(nanoseconds(is_known ? status.stx_btime : status.stx_ctime)) + kFileTimeLagNs;
}

std::uint64_t written_ns(const FileIdentity& identity) {
  return monotonic_ns(identity.mtime_ns);
}

// Errc::unsupported for anything but a regular file.  Asks no server for what the kernel knows: it
// may not answer.
Result<SeenFile> look_at(int directory, const std::string& place) {
  struct statx status{};
  constexpr int kFlags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
  if (::statx(directory, place.c_str(), kFlags, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) {
    return fail_errno(place, errno);
  }
  if (!S_ISREG(status.stx_mode)) {
    return fail(Errc::unsupported, place + ": not a regular file");
  }
  const FileIdentity identity = identity_of(status);
  return SeenFile{.identity = identity,
                  .since_ns = std::max(born_ns(status), written_ns(identity)),
                  .is_deleted = status.stx_nlink == 0};
}

// A device or a pipe is never opened: that alone can have effects, or block for ever.
Result<UniqueFd> open_regular(const std::string& place, const FileIdentity& identity) {
  const UniqueFd handle = TRY(open_file(place, O_PATH));
  const SeenFile seen = TRY(look_at(handle.get(), ""));
  if (!is_same_content(seen.identity, identity)) {
    return fail(Errc::not_found, place + ": has been replaced");
  }
  return open_file(fmt::format("/proc/self/fd/{}", handle.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

bool has_elf_magic(int fd) {
  std::array<std::byte, 4> magic{};
  const auto size = read_at(fd, 0, magic);
  return size && *size == magic.size() && std::memcmp(magic.data(), "\177ELF", magic.size()) == 0;
}

std::string area_path(pid_t pid, std::uint64_t start, std::uint64_t end) {
  return fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, start, end);
}

FilePlace place_of(const FileMapping& mapping) {
  return {.pid = mapping.pid,
          .area = area_path(mapping.pid, mapping.start, mapping.end),
          .path = std::string(mapping.path)};
}

// The path in the process' root, and in ours.
std::array<std::string, 2> paths_of(const FilePlace& place) {
  return {fmt::format("/proc/{}/root{}", place.pid, place.path), place.path};
}

bool is_same_inode(const FileIdentity& a, const FileIdentity& b) {
  return a.dev == b.dev && a.inode == b.inode;
}

bool is_of(const FileIdentity& identity, const FileMapping& mapping) {
  return identity.dev == mapping.dev && identity.inode == mapping.inode;
}

bool is_of(const MapsEntry& entry, const FileMapping& mapping) {
  return ::makedev(entry.device_major, entry.device_minor) == mapping.dev &&
         entry.inode == mapping.inode;
}

// Kernels 6.7 to 6.17 tell of an overlay's own inode in /proc/PID/maps and of the one beneath in
// the event stream: there the addresses and the name have to do.
bool is_on_overlay(const std::string& area) {
  struct statfs status{};
  return ::statfs(area.c_str(), &status) == 0 && status.f_type == OVERLAYFS_SUPER_MAGIC;
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

Result<UniqueFd> open_mapped_file(pid_t pid, std::uint64_t start, std::uint64_t end) {
  const std::string place = fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, start, end);
  const UniqueFd handle = TRY(open_file(place, O_PATH));
  struct stat status{};
  if (::fstat(handle.get(), &status) != 0) {
    return fail_errno(place, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Errc::unsupported, place + ": not a regular file");
  }
  return open_file(fmt::format("/proc/self/fd/{}", handle.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

Result<UniqueFd> open_again(const FilePlace& place, const FileIdentity& identity) {
  if (auto mapped = open_regular(place.area, identity)) {
    return mapped;
  }
  const auto [in_its_root, in_ours] = paths_of(place);
  if (auto found = open_regular(in_its_root, identity)) {
    return found;
  }
  return open_regular(in_ours, identity);
}

std::size_t ExecutableFiles::InodeHash::operator()(const Inode& key) const {
  return std::hash<std::uint64_t>()(key.inode * 0x9e3779b97f4a7c15 ^ key.dev);
}

bool ExecutableFiles::is_full() const {
  return by_identity_.size() >= kMaxFiles;
}

void ExecutableFiles::forget_unused() {
  by_inode_.clear();
  std::erase_if(by_id_, [](const auto& entry) { return entry.second.file.use_count() == 2; });
  std::erase_if(by_identity_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

std::vector<OpenedFile> ExecutableFiles::take_opened() {
  return std::exchange(opened_, {});
}

ExecutableFileRef ExecutableFiles::find(std::uint32_t id) const {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? nullptr : known->second.file;
}

const FilePlace& ExecutableFiles::find_place(const ExecutableFile& file) const {
  const auto known = by_id_.find(file.id);
  CHECK(known != by_id_.end());
  return known->second.place;
}

Result<ExecutableFileRef> ExecutableFiles::add(const SeenFile& seen, const FilePlace& place,
                                               const std::string& at, Reading reading) {
  if (const auto known = by_identity_.find(seen.identity); known != by_identity_.end()) {
    return known->second;
  }
  if (is_full()) {
    forget_unused();
  }
  if (is_full()) {
    return fail(Errc::exhausted, fmt::format("{}: {} files are in use", at, kMaxFiles));
  }
  UniqueFd fd = TRY(open_regular(at, seen.identity));
  const bool is_elf = has_elf_magic(fd.get());
  auto file = std::make_shared<const ExecutableFile>(
      ExecutableFile{.id = next_id_++,
                     .identity = seen.identity,
                     .is_elf = is_elf,
                     .name = std::string(last_component(place.path))});
  by_id_.emplace(file->id, Placed{.file = file, .place = place});
  by_identity_.emplace(seen.identity, file);
  const bool may_be_gone_soon = reading == Reading::at_once || seen.is_deleted;
  if (may_be_gone_soon && is_elf && opened_.size() < kMaxOpened) {
    opened_.push_back({.file = file, .fd = std::move(fd)});
  }
  return file;
}

// `seen` is the file at `at`, one of the ways to it that `place` has.
Result<ExecutableFiles::Known> ExecutableFiles::meet(const SeenFile& seen, const FilePlace& place,
                                                     const std::string& at, const Known* known,
                                                     Reading reading) {
  Known met{.file = nullptr,
            .since_ns = seen.since_ns,
            .seen_ns = monotonic_now_ns(),
            .inode_generation = 0};
  // Its change time moves also when it is unlinked.
  const bool is_known = known != nullptr && is_same_content(seen.identity, known->file->identity);
  met.file = is_known ? known->file : TRY(add(seen, place, at, reading));
  by_id_.at(met.file->id).place = place;
  return met;
}

// What the same addresses stand for now may be another file: after exec or dlopen, or in another
// process with that pid.
Result<ExecutableFiles::Known> ExecutableFiles::meet_mapped(const FileMapping& mapping,
                                                            Reading reading) {
  const Known* known = find_known(mapping);
  FilePlace place = place_of(mapping);
  // Where stat(2) tells of other devices than the mapping, what is known tells which.
  const auto is_wanted = [&](const FileIdentity& identity) {
    return is_of(identity, mapping) ||
           (known != nullptr && is_same_inode(identity, known->file->identity));
  };
  auto seen = look_at(AT_FDCWD, place.area);
  if (!seen || !is_wanted(seen->identity)) {
    const bool is_overlay = seen && is_on_overlay(place.area);
    place.area = TRY(find_area(mapping, is_overlay));
    seen = look_at(AT_FDCWD, place.area);
  }
  return meet(TRY(std::move(seen)), place, place.area, known, reading);
}

Result<ExecutableFiles::Known> ExecutableFiles::meet_by_path(const FileMapping& mapping) {
  const FilePlace place = place_of(mapping);
  for (const std::string& path : paths_of(place)) {
    const auto seen = look_at(AT_FDCWD, path);
    if (seen && is_of(seen->identity, mapping)) {
      return meet(*seen, place, path, find_known(mapping), Reading::when_wanted);
    }
  }
  return fail(Errc::not_found, std::string(mapping.path) + ": no longer there");
}

// The subvolumes of one file system may have equal inode numbers, and stat(2) tells of other
// devices there than the mapping: then the name must be the same, too.
ExecutableFiles::Known* ExecutableFiles::find_known(const FileMapping& mapping) {
  const auto found = by_inode_.find({.dev = mapping.dev, .inode = mapping.inode});
  if (found == by_inode_.end()) {
    return nullptr;
  }
  const ExecutableFile& file = *found->second.file;
  const bool is_certain =
      is_of(file.identity, mapping) || file.name == last_component(mapping.path);
  return is_certain ? &found->second : nullptr;
}

// The file that was met, or what its inode stood for at the time of the sample.
Result<ExecutableFileRef> ExecutableFiles::serve(const FileMapping& mapping, const Known& met) {
  Known& known =
      by_inode_.try_emplace({.dev = mapping.dev, .inode = mapping.inode}, met).first->second;
  const Known before = known;
  if (known.file != met.file) {
    known = met;
  }
  known.seen_ns = met.seen_ns;
  for (const Known& candidate : {known, before}) {
    if (mapping.time_ns + kEarlyNs >= candidate.since_ns) {
      return candidate.file;
    }
  }
  return fail(Errc::not_found, known.file->name + ": newer than the sample");
}

void ExecutableFiles::note(const FileMapping& mapping) {
  auto met = meet_mapped(mapping, Reading::at_once);
  if (met) {
    // It was there then, as it still is the one that is mapped.
    met->since_ns =
        std::max(std::min(met->since_ns, mapping.time_ns), written_ns(met->file->identity));
    (void)serve(mapping, *met);  // open() finds it
  }
  Known* known = find_known(mapping);
  if (known == nullptr) {
    return;  // its process is gone already: open() tries the path
  }
  if (met) {
    known->inode_generation = mapping.inode_generation;
  } else if (mapping.inode_generation != 0 && mapping.inode_generation == known->inode_generation) {
    known->seen_ns = std::max(known->seen_ns, mapping.time_ns);
  }
}

Result<ExecutableFileRef> ExecutableFiles::open(const FileMapping& mapping) {
  if (const auto met = meet_mapped(mapping, Reading::when_wanted)) {
    return serve(mapping, *met);
  }
  // The mapping kept the inode from being used again.
  const std::uint64_t mapped_ns = mapping.mapped_ns != 0 ? mapping.mapped_ns : mapping.time_ns;
  if (const Known* known = find_known(mapping); known != nullptr && mapped_ns <= known->seen_ns) {
    return serve(mapping, *known);
  }
  return serve(mapping, TRY(meet_by_path(mapping)));
}

}  // namespace waggle
