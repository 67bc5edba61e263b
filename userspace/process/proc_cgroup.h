// SPDX-License-Identifier: Apache-2.0
// /proc/PID/cgroup (cgroups(7)): where a process is in each hierarchy.  The paths are untrusted
// bytes: whoever may make cgroups chooses them.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace waggle {

// One line.  Views of the text.
struct ProcessCgroup {
  std::string_view controllers;  // "cpu,cpuacct", "name=systemd"; "" in v2
  std::string_view path;         // from the reader's root on, "/docker/…"
};

inline constexpr std::size_t kMaxProcessCgroups = 64;  // lines; those behind are passed over

inline constexpr std::size_t kMaxCgroupFileBytes = std::size_t{1} << 18;  // 64 paths of PATH_MAX

// Lines that are not of the form are passed over: a newline in a name makes some.
std::vector<ProcessCgroup> parse_process_cgroups(std::string_view text);

}  // namespace waggle
