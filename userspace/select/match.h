// SPDX-License-Identifier: Apache-2.0
// Which of the processes that run now a selection would sample, told without the kernel side.  For
// showing it: what is sampled is decided in the kernel (bpf/lib/select.bpf.h), for each thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/select/process_cgroups.h"
#include "userspace/select/selection.h"

namespace waggle {

// Why a process meets all filters, one reason each ("cgroup /sys/fs/cgroup/cpu/web"); nothing: it
// does not.
std::optional<std::vector<std::string>> match(std::string_view comm,
                                              std::span<const ProcessCgroup> cgroups,
                                              const Selection& selection);

// Likewise, by what /proc says; nothing too when the process is gone.
std::optional<std::vector<std::string>> match_process(std::uint32_t pid,
                                                      const Selection& selection);

}  // namespace waggle
