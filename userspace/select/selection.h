// SPDX-License-Identifier: Apache-2.0
// Who is profiled, as found on this host.  Not for the ids of processes, which the sampler takes
// one by one, nor for what a person wrote: cgroup_path.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/select/cgroup_hierarchies.h"
#include "userspace/select/cgroup_path.h"

namespace waggle {

// A process is selected when it meets every filter that is on.
struct Selection {
  std::vector<Cgroup> included;              // one of them, or below; empty: anywhere
  std::vector<Cgroup> excluded;              // nor one of these, nor below: they have the last word
  std::vector<std::string> comms;            // one of these names; empty: any
  std::vector<CgroupHierarchy> hierarchies;  // that the cgroups were looked for in
  std::vector<std::string> left_out = {};    // by a limit: what, one line each

  [[nodiscard]] bool has_cgroups() const { return !included.empty() || !excluded.empty(); }
  [[nodiscard]] bool is_everything() const { return !has_cgroups() && comms.empty(); }
};

// One that no process is in: `included` with it alone selects nothing, where an empty one would
// select everything.
Cgroup no_cgroup();

// A process' name as the kernel keeps it: cut.
std::string_view as_comm(std::string_view name);

}  // namespace waggle
