// SPDX-License-Identifier: Apache-2.0
// Which cgroup hierarchies are mounted, and where.  Not for finding a cgroup in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

struct CgroupMount {
  bool is_v2;
  std::string controllers;  // "cpu,cpuacct" or "name=systemd"; "" in v2
  std::string path;         // "/sys/fs/cgroup/memory"
  std::string root = "/";   // the cgroup that is mounted there, as the reader sees it
  bool operator==(const CgroupMount&) const = default;
};

// In the order of /proc/self/mountinfo; empty where no hierarchy is mounted.
Result<std::vector<CgroupMount>> read_cgroup_mounts();
// `mountinfo`: proc_pid_mountinfo(5).  Lines that are not of its form are passed over.
std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo);

}  // namespace waggle
