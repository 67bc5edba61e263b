// SPDX-License-Identifier: Apache-2.0
// proc_pid_mountinfo(5): "31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu".
#include "userspace/attach/cgroup_mounts.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxMountinfoBytes = 16 << 20;  // hosts with thousands of containers

// The kernel writes blank, tab, newline and backslash of a path as \ooo.
std::string unescaped(std::string_view text) {
  std::string path;
  while (!text.empty()) {
    const auto octal = text.size() >= 4 && text.front() == '\\'
                           ? parse_number<unsigned char>(text.substr(1, 3), 8)
                           : std::nullopt;
    path += octal ? static_cast<char>(*octal) : text.front();
    text.remove_prefix(octal ? 4 : 1);
  }
  return path;
}

// A v1 hierarchy's mount options name its controllers among other things (cgroup1_show_options()).
std::string controllers_of(std::string_view options) {
  constexpr auto kOthers = std::to_array<std::string_view>(
      {"rw", "ro", "noprefix", "xattr", "cpuset_v2_mode", "favordynmods", "clone_children"});
  std::string controllers;
  for (const std::string_view option : split(options, ',')) {
    if (std::ranges::find(kOthers, option) == kOthers.end() &&
        !option.starts_with("release_agent=")) {
      controllers += controllers.empty() ? "" : ",";
      controllers += option;
    }
  }
  return controllers;
}

}  // namespace

std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo) {
  constexpr std::size_t kRootField = 3;
  constexpr std::size_t kPathField = 4;
  std::vector<CgroupMount> mounts;
  for (const std::string_view line : split(mountinfo, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    // After the dash: type, source, the superblock's options.
    if (fields.end() - dash < 4 || dash - fields.begin() <= static_cast<long>(kPathField)) {
      continue;
    }
    const std::string_view type = dash[1];
    if (type == "cgroup2") {
      mounts.push_back({true, "", unescaped(fields[kPathField]), unescaped(fields[kRootField])});
    } else if (type == "cgroup") {
      mounts.push_back({false, controllers_of(dash[3]), unescaped(fields[kPathField]),
                        unescaped(fields[kRootField])});
    }
  }
  return mounts;
}

Result<std::vector<CgroupMount>> read_cgroup_mounts() {
  const std::string mountinfo = TRY(read_file("/proc/self/mountinfo", kMaxMountinfoBytes));
  return parse_cgroup_mounts(mountinfo);
}

}  // namespace waggle
