// SPDX-License-Identifier: Apache-2.0
// Where a container's processes are.  Not for containers' names, which only their runtimes know.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/select/cgroup_hierarchies.h"
#include "userspace/select/cgroup_path.h"

namespace waggle {

bool is_start_of_container_id(std::string_view text);

// The cgroups of the one container whose id begins with `prefix`, in the first hierarchy that has
// any; what lies below them is not told again.
// Errc::not_found: there is none, or more than one; exhausted: too many cgroups to look at.
Result<std::vector<Cgroup>> find_container(std::string_view prefix,
                                           std::span<const CgroupHierarchy> hierarchies);

}  // namespace waggle
