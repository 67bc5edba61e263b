// SPDX-License-Identifier: Apache-2.0
// /proc/PID/cgroup (cgroups(7)): where a process is in each hierarchy.  The paths are untrusted
// bytes: whoever may make cgroups chooses them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/select/cgroup_hierarchies.h"

namespace waggle {

// One line.  Views of the text.
struct ProcessCgroup {
  std::string_view controllers;  // "cpu,cpuacct", "name=systemd"; "" in v2
  std::string_view path;         // from the reader's root on, "/docker/…"
};

inline constexpr std::size_t kMaxProcessCgroups = 64;  // lines; those behind are passed over

// Lines that are not of the form are passed over: a newline in a name makes some.
std::vector<ProcessCgroup> parse_process_cgroups(std::string_view text);

// Of the process with this id in /proc.
Result<std::string> read_process_cgroups(std::uint32_t pid, const std::string& proc = "/proc");

// The directory of the process' cgroup in a hierarchy; nothing when it is not visible there.
std::optional<std::string> directory_of(std::span<const ProcessCgroup> cgroups,
                                        const CgroupHierarchy& hierarchy);

}  // namespace waggle
