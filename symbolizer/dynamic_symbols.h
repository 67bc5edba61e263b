// SPDX-License-Identifier: Apache-2.0
// The dynamic symbol table of a file without section headers, through PT_DYNAMIC (gABI, "Dynamic
// Section" and "Hash Table"; DT_GNU_HASH as glibc and lld read it).
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "symbolizer/elf_file.h"

namespace waggle {

struct DynamicSymbols {
  std::vector<std::byte> symbols;  // Elf64_Sym records
  std::vector<std::byte> strings;
};

// Nothing in either when the file has no dynamic symbols.  The table has no size of its own: the
// hash table gives the count of symbols.
Result<DynamicSymbols> read_dynamic_symbols(const ElfFile& file, std::size_t max_symbols,
                                            std::size_t max_string_bytes);

}  // namespace waggle
