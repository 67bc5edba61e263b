// SPDX-License-Identifier: Apache-2.0
// "4:memory:/docker/ID": the hierarchy's number, its controllers, the path.  v2's is "0::/path".
#include "userspace/process/proc_cgroup.h"

#include <cstdint>

#include "base/text.h"

namespace waggle {

std::vector<ProcessCgroup> parse_process_cgroups(std::string_view text) {
  std::vector<ProcessCgroup> cgroups;
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(":/", first + 1);
    if (second == std::string_view::npos || !parse_number<std::uint32_t>(line.substr(0, first))) {
      continue;
    }
    if (cgroups.size() == kMaxProcessCgroups) {
      break;
    }
    cgroups.push_back({.controllers = line.substr(first + 1, second - first - 1),
                       .path = line.substr(second + 1)});
  }
  return cgroups;
}

}  // namespace waggle
