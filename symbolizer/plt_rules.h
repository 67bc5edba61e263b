// SPDX-License-Identifier: Apache-2.0
// Rules for PLT entries that no call frame information covers: LLVM's linker writes none for any,
// GNU's none for those of static programs (x86_64 psABI, "Procedure Linkage Table").  Known by the
// section's name and its first bytes; what looks otherwise is left alone.  Not for their names.
#pragma once

#include <cstdint>
#include <vector>

#include "bpf/abi/unwind.h"
#include "symbolizer/elf_file.h"

namespace waggle {

struct PltRule {
  std::uint64_t start;
  std::uint64_t end;
  unw_rule rule;
};

// None for another processor, and none without section headers.
std::vector<PltRule> find_plt_rules(const ElfFile& file);

}  // namespace waggle
