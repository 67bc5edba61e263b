// SPDX-License-Identifier: Apache-2.0
// By descriptors: a look costs two system calls for each cgroup, and a directory is listed only
// when it has others below.
#include "userspace/select/cgroup_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <memory>
#include <string_view>

#include "base/file.h"
#include "base/unique_c.h"
#include "base/unique_fd.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxDirectories = 100'000;
constexpr std::size_t kMaxDepth = 64;

using Directory = std::unique_ptr<DIR, Deleter<::closedir>>;

class Walk {
 public:
  explicit Walk(const std::function<bool(const SeenCgroup&)>& visit) : visit_(visit) {}

  // Those below `directory`, which is at `path` below the mount.
  Result<> list(int directory, const std::string& path, std::size_t depth) {
    const Directory entries(::fdopendir(::fcntl(directory, F_DUPFD_CLOEXEC, 0)));
    while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
      const std::string_view name = entry->d_name;
      const bool may_be_one = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
      if (may_be_one && name != "." && name != "..") {
        TRY(look_at(directory, path, std::string(name), depth + 1));
      }
    }
    return {};
  }

 private:
  Result<> look_at(int parent, const std::string& parent_path, const std::string& name,
                   std::size_t depth) {
    struct stat status{};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(status.st_mode)) {
      return {};  // a file, or it has gone
    }
    if (++looked_at_ > kMaxDirectories) {
      return fail(Errc::exhausted, fmt::format("more than {} cgroups to look at", kMaxDirectories));
    }
    const std::string path = parent_path + "/" + name;
    constexpr nlink_t kOfLeaf = 2;  // as cgroup's file systems count
    const bool is_wanted = visit_(
        {.parent = parent, .name = name, .below_mount = path, .id = status.st_ino, .depth = depth});
    if (!is_wanted || status.st_nlink == kOfLeaf || depth >= kMaxDepth) {
      return {};
    }
    const UniqueFd directory(
        ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return directory.is_open() ? list(directory.get(), path, depth) : Result<>();
  }

  const std::function<bool(const SeenCgroup&)>& visit_;
  std::size_t looked_at_ = 0;
};

}  // namespace

Result<> walk_cgroups(const std::string& mount,
                      const std::function<bool(const SeenCgroup&)>& visit) {
  const UniqueFd directory = TRY(open_file(mount, O_RDONLY | O_DIRECTORY));
  return Walk(visit).list(directory.get(), "", 0);
}

}  // namespace waggle
