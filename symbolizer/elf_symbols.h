// SPDX-License-Identifier: Apache-2.0
// The records of an ELF file's symbol tables as they are (gABI, "Symbol Table"): data too, and
// every alias.  Not for naming an address: see symbol_table.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "symbolizer/elf_file.h"

namespace waggle {

// 48 MiB of records.  The Rust compiler, one library, has 92,685 functions.
constexpr std::size_t kMaxSymbols = 2 << 20;
// Names of one table; also of all names together, which may overlap in a hostile file.
constexpr std::size_t kMaxSymbolNamesBytes = 128 << 20;

struct RawSymbols {
  std::vector<std::byte> symbols;  // Elf64_Sym records
  std::vector<std::byte> strings;
};

// Of SHT_SYMTAB or SHT_DYNSYM; the latter through PT_DYNAMIC where there are no section headers.
// Empty when the file has no such table.
Result<RawSymbols> read_raw_symbols(const ElfFile& file, std::uint32_t type);

struct ElfSymbol {
  std::string_view name;  // without its version; valid during the call
  std::uint64_t address;
  std::uint64_t size;  // 0: unknown
  std::uint8_t type;   // STT_*
};

// Every symbol that the file defines: .symtab, then .dynsym.  A broken table is left out if the
// other can be read.
Result<> visit_symbols(const ElfFile& file, const std::function<void(const ElfSymbol&)>& visit);

}  // namespace waggle
