// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/container_id.h"

namespace waggle {

namespace {

// Runtimes write small letters.
bool is_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

std::string_view container_id_of(std::string_view cgroup) {
  std::size_t end = cgroup.size();
  while (end > 0) {
    std::size_t start = end;
    while (start > 0 && is_digit(cgroup[start - 1])) {
      --start;
    }
    if (end - start == kContainerIdBytes) {
      return cgroup.substr(start, kContainerIdBytes);
    }
    end = start == end ? end - 1 : start;
  }
  return {};
}

bool is_container_monitor(std::string_view name) {
  return name.find("conmon-") != std::string_view::npos;
}

}  // namespace waggle
