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

struct RankedPerfCgroups {
  std::vector<std::string> names;     // as above
  std::vector<std::string> left_out;  // for the header: how many, and why
};
// The same of a ranking, the busiest first.  It may be of another hierarchy than perf's: a cgroup
// is there too if one has the same path below the mount.
Result<RankedPerfCgroups> ranked_perf_cgroups_of(const Selection& selection);

}  // namespace waggle
