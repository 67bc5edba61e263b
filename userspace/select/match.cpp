// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/match.h"

#include <fmt/core.h>

#include <algorithm>

#include "userspace/process/proc_fs.h"
#include "userspace/select/cgroup_hierarchies.h"

namespace waggle {

namespace {

const Cgroup* holder_of(const std::string& directory, sel_hierarchy hierarchy,
                        const std::vector<Cgroup>& cgroups) {
  const auto found = std::ranges::find_if(cgroups, [&](const Cgroup& cgroup) {
    return cgroup.hierarchy == hierarchy &&
           (cgroup.is_alone ? directory == cgroup.path : is_at_or_below(directory, cgroup.path));
  });
  return found == cgroups.end() ? nullptr : &*found;
}

// Which cgroups of a selection hold the process.
struct CgroupMatch {
  const Cgroup* included = nullptr;
  const Cgroup* excluded = nullptr;
};

CgroupMatch match_cgroups(std::span<const ProcessCgroup> cgroups, const Selection& selection) {
  CgroupMatch match;
  for (const CgroupHierarchy& hierarchy : selection.hierarchies) {
    const auto directory =
        hierarchy.number ? directory_of(cgroups, hierarchy) : std::optional<std::string>();
    if (!directory) {
      continue;
    }
    if (match.included == nullptr) {
      match.included = holder_of(*directory, *hierarchy.number, selection.included);
    }
    if (match.excluded == nullptr) {
      match.excluded = holder_of(*directory, *hierarchy.number, selection.excluded);
    }
  }
  return match;
}

}  // namespace

std::optional<std::vector<std::string>> match(std::string_view comm,
                                              std::span<const ProcessCgroup> cgroups,
                                              const Selection& selection) {
  std::vector<std::string> reasons;
  if (!selection.comms.empty()) {
    const auto is_it = [&](std::string_view name) { return as_comm(name) == as_comm(comm); };
    if (std::ranges::none_of(selection.comms, is_it)) {
      return std::nullopt;
    }
    reasons.emplace_back("its name");
  }
  if (selection.has_cgroups()) {
    const CgroupMatch found = match_cgroups(cgroups, selection);
    if (found.excluded != nullptr || (found.included == nullptr && !selection.included.empty())) {
      return std::nullopt;
    }
    reasons.push_back(found.included != nullptr ? fmt::format("cgroup {}", found.included->path)
                                                : "not in an excluded cgroup");
  }
  return reasons;
}

std::optional<std::vector<std::string>> match_process(std::uint32_t pid,
                                                      const Selection& selection) {
  const Result<ProcStat> stat = ProcFs().read_stat(pid);
  if (!stat) {
    return std::nullopt;
  }
  const Result<std::string> cgroups =
      selection.has_cgroups() ? read_process_cgroups(pid) : Result<std::string>("");
  if (!cgroups) {
    return std::nullopt;
  }
  return match(stat->comm, parse_process_cgroups(*cgroups), selection);
}

}  // namespace waggle
