// SPDX-License-Identifier: Apache-2.0
// All cgroups of a hierarchy.  Not for the few that a person names: cgroup_path.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace waggle {

struct SeenCgroup {
  int parent;                      // descriptor of the directory that it is in
  const std::string& name;         // there
  const std::string& below_mount;  // "/docker/ID"
  std::uint64_t id;                // of the kernfs node, the inode of its directory
  std::size_t depth;               // 1: in the mount itself
};

// Each before those below it, which are looked at where `visit` says so.  What goes meanwhile is
// passed over.  Errc::exhausted: there are too many to look at.
Result<> walk_cgroups(const std::string& mount,
                      const std::function<bool(const SeenCgroup&)>& visit);

}  // namespace waggle
