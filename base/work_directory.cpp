// SPDX-License-Identifier: Apache-2.0
#include "base/work_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

namespace waggle {

namespace {

constexpr std::string_view kPrefix = "waggle-work-";
constexpr std::string_view kRandom = "XXXXXX";
constexpr int kTries = 8;

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)::closedir(directory); }
};

bool is_name_of_ours(std::string_view name) {
  return name.size() == kPrefix.size() + kRandom.size() && name.starts_with(kPrefix) &&
         std::ranges::all_of(name.substr(kPrefix.size()),
                             [](unsigned char c) { return std::isalnum(c) != 0; });
}

// Ours alone, and of nobody that lives: then we hold its lock.  Whoever has just made it and has
// not locked it yet finds that out, and makes another.
bool lock_left_one(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() &&
         (status.st_mode & 07777) == 0700 && ::flock(fd, LOCK_EX | LOCK_NB) == 0;
}

std::vector<std::string> names_of_ours(int root_fd) {
  std::vector<std::string> names;
  UniqueFd fd(::openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, CloseDirectory> listing(fd.is_open() ? ::fdopendir(fd.get())
                                                                  : nullptr);
  if (!listing) {
    return names;
  }
  (void)fd.release();  // the listing closes it
  while (const dirent* entry = ::readdir(listing.get())) {
    if (is_name_of_ours(entry->d_name)) {
      names.emplace_back(entry->d_name);
    }
  }
  return names;
}

void remove_left_ones(const std::string& root) {
  const UniqueFd root_fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_fd.is_open()) {
    return;
  }
  for (const std::string& name : names_of_ours(root_fd.get())) {
    const UniqueFd fd(
        ::openat(root_fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.is_open() || !lock_left_one(fd.get())) {
      continue;
    }
    // By the descriptor: the name may be another's by now, and then it is not empty, or no loss.
    std::error_code left;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/self/fd/{}", fd.get()), left)) {
      std::error_code one;  // tried again by the next of us
      std::filesystem::remove_all(entry.path(), one);
    }
    (void)::unlinkat(root_fd.get(), name.c_str(), AT_REMOVEDIR);
  }
}

std::string temporary_root() {
  const char* root = ::secure_getenv("TMPDIR");
  const bool is_usable = root != nullptr && root[0] == '/';  // a relative one moves with us
  return is_usable ? root : "/tmp";
}

// Open: nobody took it for a left one meanwhile.
UniqueFd lock_own(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  const bool is_ours = fd.is_open() && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 &&
                       ::fstat(fd.get(), &status) == 0 && status.st_nlink != 0;
  return is_ours ? std::move(fd) : UniqueFd();
}

}  // namespace

Result<WorkDirectory> WorkDirectory::make() {
  const std::string root = temporary_root();
  remove_left_ones(root);
  for (int i = 0; i < kTries; ++i) {
    std::string path = fmt::format("{}/{}{}", root, kPrefix, kRandom);
    if (::mkdtemp(path.data()) == nullptr) {
      return fail_errno(path, errno);
    }
    if (UniqueFd lock = lock_own(path); lock.is_open()) {
      return WorkDirectory(std::move(path), std::move(lock));
    }
    (void)::rmdir(path.c_str());  // it is gone as a rule
  }
  return fail(Errc::system, fmt::format("{}: cannot be locked (flock)", root));
}

WorkDirectory& WorkDirectory::operator=(WorkDirectory&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::exchange(other.path_, {});
    lock_ = std::move(other.lock_);
  }
  return *this;
}

void WorkDirectory::remove() {
  if (!path_.empty()) {
    std::error_code left;  // a file left in a directory for temporary ones
    std::filesystem::remove_all(std::exchange(path_, {}), left);
  }
  lock_.reset();
}

}  // namespace waggle
