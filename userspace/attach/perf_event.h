// SPDX-License-Identifier: Apache-2.0
// Opening perf events, with errors that name cause and remedy.  Not for reading them (perf_ring.h)
// nor for what is attached to them.
#pragma once

#include <linux/perf_event.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// perf_event_open(2) with PERF_FLAG_FD_CLOEXEC added and attr.size set.  pid -1 means every process
// (then cpu >= 0), cpu -1 every CPU, group_fd -1 no group.
// Errc: permission; unsupported (the event or a bit of attr is unknown to this kernel or machine);
// exhausted (descriptors, memory, breakpoints); not_found (no such process).
Result<UniqueFd> open_perf_event(const perf_event_attr& attr, pid_t pid, int cpu, int group_fd,
                                 unsigned long flags);

// The numbers of a kernel CPU list ("0-3,5\n"), ascending; nothing when it is not one.
std::optional<std::vector<int>> parse_cpu_list(std::string_view text);

Result<std::vector<int>> online_cpus(const std::string& path = "/sys/devices/system/cpu/online");

}  // namespace waggle
