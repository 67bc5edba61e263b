// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/process_roots.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <cstring>
#include <utility>

#include "base/file.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxRoots = 128;  // open descriptors: a root for each container
constexpr std::size_t kMaxProcesses = 4096;

}  // namespace

ProcessRoot ProcessRoots::open(pid_t pid) {
  struct stat mounts{};
  struct stat status{};
  auto root = open_file(fmt::format("/proc/{}/root", pid), O_PATH | O_DIRECTORY);
  if (!root || ::fstat(root->get(), &status) != 0 ||
      ::stat(fmt::format("/proc/{}/ns/mnt", pid).c_str(), &mounts) != 0) {
    return nullptr;
  }
  const Key key{.mounts = mounts.st_ino, .device = status.st_dev, .inode = status.st_ino};
  std::weak_ptr<const UniqueFd>& known = roots_[key];
  if (ProcessRoot open = known.lock()) {
    return open;
  }
  std::erase_if(roots_,
                [&](const auto& entry) { return entry.first != key && entry.second.expired(); });
  if (roots_.size() > kMaxRoots) {
    roots_.erase(key);
    return nullptr;
  }
  auto opened = std::make_shared<const UniqueFd>(*std::move(root));
  known = opened;
  return opened;
}

ProcessRoot ProcessRoots::find(const process_id& process) {
  const auto known = processes_.find(process.tgid);
  if (known != processes_.end() &&
      std::memcmp(&known->second.process, &process, sizeof(process)) == 0) {
    return known->second.root;
  }
  if (processes_.size() >= kMaxProcesses) {
    processes_.clear();
  }
  ProcessRoot root = open(static_cast<pid_t>(process.tgid));
  processes_.insert_or_assign(process.tgid, Known{.process = process, .root = root});
  return root;
}

}  // namespace waggle
