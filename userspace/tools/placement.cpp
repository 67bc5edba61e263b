// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/placement.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "userspace/tools/target_root.h"

namespace waggle {

namespace {

constexpr auto kParents = std::to_array<std::string_view>({"/tmp", "/run", "/opt", "/dev"});
constexpr std::string_view kPrefix = "waggle-";
constexpr std::size_t kDigits = 16;
constexpr std::size_t kMaxLibraryBytes = std::size_t{64} << 20;
constexpr mode_t kPrivate = 0700;

std::string random_name() {
  std::uint64_t number = 0;
  CHECK(::getrandom(&number, sizeof(number), 0) == sizeof(number));  // so few are never cut short
  return fmt::format("{}{:0{}x}", kPrefix, number, kDigits);
}

struct Split {
  std::string parent, name;
};

// "/tmp/waggle-0123456789abcdef/NAME"
std::optional<Split> split_placed(std::string_view path, std::string_view file) {
  for (const std::string_view parent : kParents) {
    const std::size_t start = parent.size() + 1;
    const std::size_t size = kPrefix.size() + kDigits;
    if (path.size() != start + size + 1 + file.size() || !path.starts_with(parent) ||
        !path.ends_with(file) || path[start - 1] != '/' || path[start + size] != '/') {
      continue;
    }
    const std::string_view name = path.substr(start, size);
    if (name.starts_with(kPrefix) &&
        name.substr(kPrefix.size()).find_first_not_of("0123456789abcdef") == name.npos) {
      return Split{.parent = std::string(parent), .name = std::string(name)};
    }
  }
  return std::nullopt;
}

// Nobody but its owner could take away what we put there.
Result<> check_parent(int parent, const std::string& path) {
  struct stat status{};
  if (::fstat(parent, &status) != 0) {
    return fail_errno(path, errno);
  }
  const bool is_open_to_all = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (status.st_uid != 0) {
    return fail(Errc::permission, path + " is not root's");
  }
  if (is_open_to_all && (status.st_mode & S_ISVTX) == 0) {
    return fail(Errc::permission, path + " has no sticky bit");
  }
  return {};
}

Result<> check_mount(int directory, const std::string& path) {
  struct statvfs mount{};
  if (::fstatvfs(directory, &mount) != 0) {
    return fail_errno(path, errno);
  }
  if ((mount.f_flag & ST_RDONLY) != 0) {
    return fail(Errc::unsupported, path + " is mounted read-only");
  }
  if ((mount.f_flag & ST_NOEXEC) != 0) {
    return fail(Errc::unsupported, path + " is mounted noexec");
  }
  return {};
}

}  // namespace

bool is_placed_by_us(std::string_view path, std::string_view name) {
  return split_placed(path, name).has_value();
}

std::string LibraryPlace::library() const {
  return fmt::format("{}/{}", path_, library_);
}

Result<LibraryPlace> LibraryPlace::make(const TargetProcess& process, const std::string& library,
                                        std::string_view name, std::string_view loaded) {
  if (const auto earlier = split_placed(loaded, name)) {
    LibraryPlace place = TRY(make_below(process, name, earlier->parent, earlier->name));
    TRY(place.fill(library));
    return place;
  }
  std::string reasons;
  for (const std::string_view parent : kParents) {
    auto place = make_below(process, name, std::string(parent), random_name());
    const Result<> filled = place ? place->fill(library) : std::unexpected(place.error());
    if (filled) {
      return place;
    }
    reasons += (reasons.empty() ? "" : ", ") + filled.error().what;
  }
  return fail(Errc::unsupported, "no place for the library: " + reasons);
}

Result<LibraryPlace> LibraryPlace::make_below(const TargetProcess& process,
                                              std::string_view library, const std::string& parent,
                                              const std::string& name) {
  LibraryPlace place(library);
  place.uid_ = process.status.effective_uid;
  place.gid_ = process.status.effective_gid;
  const UniqueFd root = TRY(process.open_root());
  UniqueFd above = TRY(open_directory_in_root(root.get(), parent));
  TRY(check_parent(above.get(), parent));
  TRY(check_mount(above.get(), parent));
  place.path_ = fmt::format("{}/{}", parent, name);
  const bool is_new = ::mkdirat(above.get(), name.c_str(), kPrivate) == 0;
  if (!is_new && errno != EEXIST) {
    return fail_errno(place.path_, errno);
  }
  UniqueFd directory(
      ::openat(above.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!directory.is_open() || ::fstat(directory.get(), &status) != 0) {
    return fail_errno(place.path_, errno);
  }
  const bool is_theirs = status.st_uid == place.uid_ || status.st_uid == ::geteuid();
  if (!is_theirs || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(Errc::permission, place.path_ + " is of another user than the process");
  }
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Errc::exhausted, "another waggle profiles this process");
  }
  place.parent_ = std::move(above);  // from here on it is ours to remove
  place.directory_ = std::move(directory);
  return place;
}

Result<> LibraryPlace::fill(const std::string& library) {
  const UniqueFd source = TRY(open_file(library, O_RDONLY));
  const std::string bytes = TRY(read_all(source.get(), kMaxLibraryBytes));
  (void)::unlinkat(directory_.get(), library_.c_str(), 0);  // of a waggle that was killed
  const UniqueFd copy(::openat(directory_.get(), library_.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!copy.is_open()) {
    return fail_errno(LibraryPlace::library(), errno);
  }
  files_.push_back(library_);
  if (const Result<> written = write_all(copy.get(), bytes); !written) {
    return add_context(path_, written.error());
  }
  // The directory last: its owner may change all in it.
  if (::fchmod(copy.get(), 0755) != 0 || ::fchown(directory_.get(), uid_, gid_) != 0) {
    return fail_errno(path_, errno);
  }
  return {};
}

Result<PlacedFile> LibraryPlace::make_file(const std::string& name) {
  (void)::unlinkat(directory_.get(), name.c_str(), 0);
  PlacedFile file{
      .path = fmt::format("{}/{}", path_, name),
      .fd = UniqueFd(::openat(directory_.get(), name.c_str(),
                              O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600))};
  if (!file.fd.is_open()) {
    return fail_errno(file.path, errno);
  }
  files_.push_back(name);
  if (::fchown(file.fd.get(), uid_, gid_) != 0) {
    return fail_errno(file.path, errno);
  }
  return file;
}

void LibraryPlace::touch() const {
  (void)::futimens(directory_.get(), nullptr);  // it is ours; without it, it is taken for dead
}

void LibraryPlace::remove() {
  if (!directory_.is_open()) {
    return;
  }
  for (const std::string& file : files_) {
    (void)::unlinkat(directory_.get(), file.c_str(), 0);
  }
  const std::string name = path_.substr(path_.rfind('/') + 1);
  (void)::unlinkat(parent_.get(), name.c_str(), AT_REMOVEDIR);  // unless somebody put more there
}

}  // namespace waggle
