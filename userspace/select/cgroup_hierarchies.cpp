// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/cgroup_hierarchies.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

// v1's names, by the number less one.
constexpr auto kControllers = std::to_array<std::string_view>({
#define X(name, v1_name) v1_name,
    SEL_CONTROLLERS(X)
#undef X
});
static_assert(kControllers.size() + 1 == SEL_HIERARCHY_COUNT);

// Of a hierarchy with several controllers ("cpu,cpuacct"), the first in the order of the search.
std::optional<sel_hierarchy> number_of(const CgroupMount& mount) {
  if (mount.is_v2) {
    return SEL_V2;
  }
  const auto mounted = split(mount.controllers, ',');
  const auto found = std::ranges::find_if(kControllers, [&](std::string_view controller) {
    return std::ranges::find(mounted, controller) != mounted.end();
  });
  if (found == kControllers.end()) {
    return std::nullopt;
  }
  return static_cast<sel_hierarchy>(SEL_V2 + 1 + (found - kControllers.begin()));
}

int order_of(const CgroupHierarchy& hierarchy) {
  return hierarchy.number ? *hierarchy.number : SEL_HIERARCHY_COUNT;
}

}  // namespace

std::vector<CgroupHierarchy> order_hierarchies(std::span<const CgroupMount> mounts) {
  std::vector<CgroupHierarchy> hierarchies;
  for (const CgroupMount& mount : mounts) {
    CgroupHierarchy hierarchy{.number = number_of(mount),
                              .name = mount.is_v2 ? "v2" : mount.controllers,
                              .directory = mount.path,
                              .root = mount.root};
    // Mounted twice, as in containers: the one that shows more.
    const auto same = std::ranges::find(hierarchies, hierarchy.name, &CgroupHierarchy::name);
    if (same == hierarchies.end()) {
      hierarchies.push_back(std::move(hierarchy));
    } else if (hierarchy.root.size() < same->root.size()) {
      *same = std::move(hierarchy);
    }
  }
  std::ranges::stable_sort(hierarchies, {}, order_of);
  return hierarchies;
}

Result<std::vector<CgroupHierarchy>> find_cgroup_hierarchies() {
  const std::vector<CgroupMount> mounts = TRY(read_cgroup_mounts());
  if (mounts.empty()) {
    return fail(Errc::not_found,
                "no cgroup hierarchy is mounted (mount -t cgroup2 none /sys/fs/cgroup)");
  }
  return order_hierarchies(mounts);
}

bool is_at_or_below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

const CgroupHierarchy* hierarchy_of(std::string_view path,
                                    std::span<const CgroupHierarchy> hierarchies) {
  const CgroupHierarchy* found = nullptr;
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    // One may be mounted inside another: the inner one decides.
    if (is_at_or_below(path, hierarchy.directory) &&
        (found == nullptr || hierarchy.directory.size() > found->directory.size())) {
      found = &hierarchy;
    }
  }
  return found;
}

}  // namespace waggle
