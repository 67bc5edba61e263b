// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/target_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;

Result<UniqueFd> open_without_links(int root, const std::string& path) {
  UniqueFd directory(::openat(root, ".", kFlags));
  if (!directory.is_open()) {
    return fail_errno(path, errno);
  }
  for (const std::string_view part : split(path, '/')) {
    if (part.empty()) {
      continue;
    }
    UniqueFd next(::openat(directory.get(), std::string(part).c_str(), kFlags | O_NOFOLLOW));
    if (!next.is_open()) {
      return fail_errno(path, errno);
    }
    directory = std::move(next);
  }
  return directory;
}

}  // namespace

Result<UniqueFd> open_directory_in_root(int root, const std::string& path) {
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how));
  if (fd >= 0) {
    return UniqueFd(static_cast<int>(fd));
  }
  if (errno == ENOSYS || errno == EPERM) {  // EPERM: of a seccomp filter that does not know it
    return open_without_links(root, path);
  }
  return fail_errno(path, errno);
}

Result<struct stat> status_at(int directory, const std::string& name) {
  struct stat status{};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail_errno(name, errno);
  }
  return status;
}

}  // namespace waggle
