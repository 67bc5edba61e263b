// SPDX-License-Identifier: Apache-2.0
// The vDSO: the ELF file that the kernel maps into each process.  All 64-bit processes of one
// kernel have the same, so this process' own serves them all.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "symbolizer/module.h"

namespace waggle {

// Its bytes, as far as /proc/self/maps says they go.  Errc::not_found where there is none.
Result<std::vector<std::byte>> read_vdso();
Result<Module> load_vdso();

}  // namespace waggle
