// SPDX-License-Identifier: Apache-2.0
// Reads the function symbols of an ELF file and settles which name an address has: the rules are
// told in symbol_table.h.
#pragma once

#include <optional>
#include <stop_token>

#include "base/result.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/symbol_table.h"

namespace waggle {

SymbolTable read_function_symbols(const ElfFile& file, std::optional<Error>* problem,
                                  const std::stop_token& stop);

}  // namespace waggle
