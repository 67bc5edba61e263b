// SPDX-License-Identifier: Apache-2.0
// "4:memory:/docker/ID": the hierarchy's number, its controllers, the path.  v2's is "0::/path".
#include "userspace/select/process_cgroups.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 18;  // 64 paths of PATH_MAX

}  // namespace

std::vector<ProcessCgroup> parse_process_cgroups(std::string_view text) {
  std::vector<ProcessCgroup> cgroups;
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(":/", first + 1);
    if (second == std::string_view::npos || !parse_number<std::uint32_t>(line.substr(0, first))) {
      continue;
    }
    if (cgroups.size() == kMaxProcessCgroups) {
      break;
    }
    cgroups.push_back({.controllers = line.substr(first + 1, second - first - 1),
                       .path = line.substr(second + 1)});
  }
  return cgroups;
}

Result<std::string> read_process_cgroups(std::uint32_t pid, const std::string& proc) {
  return read_file(fmt::format("{}/{}/cgroup", proc, pid), kMaxBytes);
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
