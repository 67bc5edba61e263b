// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/process_cgroups.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "base/file.h"

namespace waggle {

Result<std::string> read_process_cgroups(std::uint32_t pid, const std::string& proc) {
  return read_file(fmt::format("{}/{}/cgroup", proc, pid), kMaxCgroupFileBytes);
}

std::optional<std::string> directory_of(std::span<const ProcessCgroup> cgroups,
                                        const CgroupHierarchy& hierarchy) {
  const std::string_view controllers =
      hierarchy.number == SEL_V2 ? std::string_view() : std::string_view(hierarchy.name);
  const auto found = std::ranges::find(cgroups, controllers, &ProcessCgroup::controllers);
  if (found == cgroups.end()) {
    return std::nullopt;
  }
  std::string_view below = found->path;
  if (hierarchy.root != "/") {  // mounted from a cgroup on
    if (!is_at_or_below(below, hierarchy.root)) {
      return std::nullopt;
    }
    below.remove_prefix(hierarchy.root.size());
  }
  if (below.starts_with("/..")) {
    return std::nullopt;  // outside of our cgroup namespace
  }
  return hierarchy.directory + std::string(below == "/" ? "" : below);
}

}  // namespace waggle
