// SPDX-License-Identifier: Apache-2.0
// The stubs through which code calls functions of other files (psABI for AMD64, "Procedure Linkage
// Table").  They have no symbols; each jumps through a slot that a relocation fills, and the
// relocation names the function.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "symbolizer/elf_file.h"

namespace waggle {

struct PltStub {
  std::uint64_t start;
  std::uint32_t size;
  std::string name;  // "NAME@plt", NAME as in the file, without its version; or ".plt"
};

// Sorted by section.  Between the stubs lies what looks a function up the first time: the whole of
// .plt has that name, and a stub inside its own.  Nothing for other processors than x86_64, and
// without section headers.
Result<std::vector<PltStub>> read_plt_stubs(const ElfFile& file);

}  // namespace waggle
