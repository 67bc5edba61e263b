// SPDX-License-Identifier: Apache-2.0
// A selection by cgroups, as perf can be told of it: perf counts by one hierarchy alone.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "userspace/select/selection.h"

namespace waggle {

// Each opens an event on each CPU, and is scheduled with its tasks.
inline constexpr std::size_t kMaxPerfCgroups = 50;

// For `perf record --cgroup`: paths from the mount on, none below another, since perf takes what is
// below too and would count it twice.  The error says why it cannot be told: exclusions, names of
// processes, another hierarchy, too many, a comma in a name.
Result<std::vector<std::string>> perf_cgroups_of(const Selection& selection);

}  // namespace waggle
