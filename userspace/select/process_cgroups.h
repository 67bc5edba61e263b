// SPDX-License-Identifier: Apache-2.0
// From what /proc/PID/cgroup says of a process to directories of the mounted hierarchies.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "userspace/process/proc_cgroup.h"
#include "userspace/select/cgroup_hierarchies.h"

namespace waggle {

// Of the process with this id in /proc.
Result<std::string> read_process_cgroups(std::uint32_t pid, const std::string& proc = "/proc");

// The directory of the process' cgroup in a hierarchy; nothing when it is not visible there.
std::optional<std::string> directory_of(std::span<const ProcessCgroup> cgroups,
                                        const CgroupHierarchy& hierarchy);

}  // namespace waggle
