// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/application_root.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <vector>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

// A path of ours as one below `root`, which is a path of ours too.
std::string below(std::string_view root, std::string_view path) {
  if (root.size() > 1 && path.starts_with(root) &&
      (path.size() == root.size() || path[root.size()] == '/')) {
    path.remove_prefix(root.size());
  }
  return path.empty() ? "/" : std::string(path);
}

// root owns it where the process may not be looked into by its own user.
uid_t user_of(int process_directory) {
  struct stat status{};
  return ::fstat(process_directory, &status) == 0 ? status.st_uid : 0;
}

}  // namespace

std::string read_link(int directory, const char* name) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(directory, name, target.data(), target.size());
  return size > 0 ? std::string(target.data(), static_cast<std::size_t>(size)) : "";
}

std::string without_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  for (const std::string_view part : split(path, '/')) {
    if (part == "..") {
      if (!kept.empty()) {
        kept.pop_back();
      }
    } else if (!part.empty() && part != ".") {
      kept.push_back(part);
    }
  }
  std::string text;
  for (const std::string_view part : kept) {
    text.append("/").append(part);
  }
  return text.empty() ? "/" : text;
}

ApplicationRoot::ApplicationRoot(int process_directory)
    : root_path_(read_link(process_directory, "root")),
      cwd_(read_link(process_directory, "cwd")),
      root_(::openat(process_directory, "root", O_PATH | O_DIRECTORY | O_CLOEXEC)),
      user_(user_of(process_directory)) {
  if (!cwd_.empty()) {
    cwd_ = below(root_path_, cwd_);
  }
}

std::string ApplicationRoot::beyond_cwd(const std::string& path) const {
  return path.starts_with('/') ? path : cwd_ + "/" + path;
}

// A handle that reads nothing.
UniqueFd ApplicationRoot::find(const std::string& path) const {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const std::string whole = beyond_cwd(path);
  if (!root_.is_open() || whole.size() >= PATH_MAX) {
    return {};
  }
  const long fd = ::syscall(SYS_openat2, root_.get(), whole.c_str(), &how, sizeof(how));
  return UniqueFd(static_cast<int>(fd < 0 ? -1 : fd));
}

std::string ApplicationRoot::resolve(const std::string& path) const {
  const UniqueFd found = find(path);
  const std::string target =
      found.is_open() ? read_link(AT_FDCWD, fmt::format("/proc/self/fd/{}", found.get()).c_str())
                      : "";
  return target.empty() ? without_dots(beyond_cwd(path)) : below(root_path_, target);
}

std::optional<std::string> ApplicationRoot::read(const std::string& path) const {
  const UniqueFd found = find(path);
  struct stat status{};
  if (!found.is_open() || ::fstat(found.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  if (user_ != 0 && user_ != status.st_uid && (status.st_mode & S_IROTH) == 0) {
    return std::nullopt;  // we read as root: what it names is told, and could be anybody's
  }
  auto text = read_file(fmt::format("/proc/self/fd/{}", found.get()), kMaxFileBytes);
  return text ? std::optional(*std::move(text)) : std::nullopt;
}

}  // namespace waggle
