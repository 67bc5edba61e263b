// SPDX-License-Identifier: Apache-2.0
// What a BPF map costs the host.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace waggle {

// "memlock" of /proc/self/fdinfo/FD: the kernel's own account of the map's memory, in bytes.
Result<std::uint64_t> map_bytes(int map_fd);

}  // namespace waggle
