// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/selection.h"

#include "bpf/abi/process.h"

namespace waggle {

Cgroup no_cgroup() {
  return {.hierarchy = SEL_V2, .id = 0, .path = "none"};
}

std::string_view as_comm(std::string_view name) {
  return name.substr(0, PROCESS_COMM_BYTES - 1);
}

}  // namespace waggle
