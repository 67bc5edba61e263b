// SPDX-License-Identifier: Apache-2.0
// The mounted cgroup hierarchies, as the kernel side knows them (bpf/abi/select.h), in the order in
// which a relative path is looked for.  Not for the cgroups in them: cgroup_path.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bpf/abi/select.h"
#include "userspace/attach/cgroup_mounts.h"

namespace waggle {

struct CgroupHierarchy {
  std::optional<sel_hierarchy> number;  // none: v1 without a controller, which cannot be matched
  std::string name;                     // "v2", "cpu", "name=systemd": how it is told to a person
  std::string directory;                // where it is mounted
  std::string root = "/";               // which of its cgroups is mounted there
};

// Errc::not_found: none is mounted.
Result<std::vector<CgroupHierarchy>> find_cgroup_hierarchies();
// One for each hierarchy, those that cannot be matched last.
std::vector<CgroupHierarchy> order_hierarchies(std::span<const CgroupMount> mounts);

// The one whose mount holds `path` (absolute, without symbolic links), or null.
const CgroupHierarchy* hierarchy_of(std::string_view path,
                                    std::span<const CgroupHierarchy> hierarchies);

// Whether `path` is `directory` or lies below it.
bool is_at_or_below(std::string_view path, std::string_view directory);

}  // namespace waggle
