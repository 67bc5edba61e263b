// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/container_cgroups.h"

#include <fmt/core.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "userspace/process/container_id.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxDirectories = 100'000;
constexpr int kMaxDepth = 64;

// The cgroups of one hierarchy, from its root down.
class ContainerSearch {
 public:
  ContainerSearch(std::string_view prefix, sel_hierarchy hierarchy)
      : prefix_(prefix), hierarchy_(hierarchy) {}

  Result<> look_at(const std::string& root) {
    namespace fs = std::filesystem;
    std::error_code gone;  // a cgroup may go while we look: so do those below it
    fs::recursive_directory_iterator entries(root, fs::directory_options::skip_permission_denied,
                                             gone);
    for (; !gone && entries != fs::recursive_directory_iterator(); entries.increment(gone)) {
      std::error_code unknown;
      if (!entries->is_directory(unknown)) {
        continue;
      }
      if (++looked_at_ > kMaxDirectories) {
        return fail(Errc::exhausted,
                    fmt::format("more than {} cgroups to look at", kMaxDirectories));
      }
      if (entries.depth() >= kMaxDepth) {
        entries.disable_recursion_pending();
      }
      TRY(consider(entries->path()));
    }
    return {};
  }

  [[nodiscard]] std::vector<Cgroup> take() { return std::move(found_); }

 private:
  Result<> consider(const std::filesystem::path& directory) {
    const std::string name = directory.filename().string();
    const std::string_view id = container_id_of(name);
    if (id.empty() || !id.starts_with(prefix_)) {
      return {};
    }
    if (!id_.empty() && id != id_) {
      return fail(Errc::not_found,
                  fmt::format("{} and {} begin so, give more digits", id_, std::string(id)));
    }
    id_ = id;
    const bool is_inside =
        !found_.empty() && is_at_or_below(directory.string(), found_.back().path);
    if (auto cgroup = cgroup_at(directory.string(), hierarchy_); cgroup && !is_inside) {
      found_.push_back(*std::move(cgroup));
    }
    return {};
  }

  std::string_view prefix_;
  sel_hierarchy hierarchy_;
  std::size_t looked_at_ = 0;
  std::string id_;  // of what was found
  std::vector<Cgroup> found_;
};

}  // namespace

Result<std::vector<Cgroup>> find_container(std::string_view prefix,
                                           std::span<const CgroupHierarchy> hierarchies) {
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    if (!hierarchy.number) {
      continue;
    }
    ContainerSearch search(prefix, *hierarchy.number);
    TRY(search.look_at(hierarchy.directory));
    std::vector<Cgroup> found = search.take();
    if (!found.empty()) {
      return found;
    }
  }
  return fail(
      Errc::not_found,
      fmt::format("no container's id begins so in {} (see: docker ps, crictl ps, podman ps)",
                  list_hierarchies(hierarchies)));
}

}  // namespace waggle
