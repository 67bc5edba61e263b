// SPDX-License-Identifier: Apache-2.0
// From what a person writes for a cgroup to the cgroups that are meant.  The names of cgroups come
// from whoever may make them: they are compared, limited, and printed by others only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bpf/abi/select.h"
#include "userspace/select/cgroup_hierarchies.h"

namespace waggle {

struct Cgroup {
  sel_hierarchy hierarchy;
  std::uint64_t id;       // of the kernfs node, the inode of its directory
  std::string path;       // of its directory
  bool is_alone = false;  // what lies below it is not meant

  bool operator==(const Cgroup&) const = default;
};

// The cgroups that `pattern` names, sorted by path: one of them for a path, any number for a glob,
// whose * ? [] match within one component.  A path below a mount decides for its hierarchy; any
// other is looked for in all of them, and the first that has it decides.  An existing name is
// itself, whatever its characters.
// Errc::not_found: there is none; exhausted: there are more than `limit`.
Result<std::vector<Cgroup>> find_cgroups(std::string_view pattern,
                                         std::span<const CgroupHierarchy> hierarchies,
                                         std::size_t limit = SEL_MAX_CGROUPS);

// The cgroup with this directory.  Errc::not_found: it is gone, or no directory.
Result<Cgroup> cgroup_at(const std::string& directory, sel_hierarchy hierarchy);

// "v2 at /sys/fs/cgroup/unified, cpu at /sys/fs/cgroup/cpu", for messages.
std::string list_hierarchies(std::span<const CgroupHierarchy> hierarchies);

}  // namespace waggle
