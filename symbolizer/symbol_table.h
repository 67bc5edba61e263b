// SPDX-License-Identifier: Apache-2.0
// Function names of one ELF file by address, from .symtab, .dynsym and the .symtab in
// .gnu_debugdata together (gABI, "Symbol Table"; GDB manual, "MiniDebugInfo").  Addresses are those
// of the file itself; names are as in the file (mangled).
//
// Where reality differs from the spec: assembler labels are STT_NOTYPE, often without a size;
// aliases share an address; hand-written functions overlap.  The rules:
// - STT_FUNC, STT_GNU_IFUNC, and STT_NOTYPE in executable sections; no mapping symbols ($x) and
//   no local labels (.L1).
// - Of several names of an address: a known size before none, then functions before labels, then
//   GLOBAL, WEAK, LOCAL, then fewer leading underscores, then shorter, then in byte order.
//   Versions (@@GLIBC_2.14) are cut off.
// - A symbol without a size covers all up to the next symbol or the end of its section, and is
//   ignored inside a symbol with a size.
// - Where symbols overlap, the one that starts last names an address.
// - Stubs of the procedure linkage table are called NAME@plt (plt_stubs.h).
// Not for demangling (demangle.h), nor for the kernel (kernel_symbols.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "symbolizer/elf_file.h"

namespace waggle {

// A function as found, before overlaps are settled.
struct FunctionSymbol {
  std::uint64_t start;
  std::uint64_t end;
  std::string_view name;
};

class SymbolTable {
 public:
  struct Symbol {
    std::string_view name;  // valid as long as the table
    std::uint64_t start;
    std::uint64_t size;
  };

  SymbolTable() = default;

  // No table in the file gives an empty one.  A broken or too large one is left out and the
  // reason told in `problem` (not touched otherwise); the others still count.  Once `stop` is
  // requested the table is empty, soon.
  static SymbolTable read(const ElfFile& file, std::optional<Error>* problem,
                          const std::stop_token& stop = {});

  // From functions sorted by start, no two at the same, none empty.
  static SymbolTable from_sorted(const std::vector<FunctionSymbol>& functions);

  [[nodiscard]] std::optional<Symbol> find(std::uint64_t address) const;
  // The first symbol of that name in order of address; a scan of all names.
  [[nodiscard]] std::optional<Symbol> find_named(std::string_view name) const;

  // All symbols in order of address: f(const Symbol&).
  template <class F>
  void for_each(F&& f) const {
    for (const Entry& entry : entries_) {
      if ((entry.name & kContinues) == 0) {
        f(symbol_of(entry));
      }
    }
  }

  [[nodiscard]] std::size_t symbol_count() const { return symbol_count_; }
  [[nodiscard]] std::size_t size_bytes() const {
    return entries_.capacity() * sizeof(Entry) + names_.capacity();
  }

 private:
  // 16 bytes a symbol.  The parts of the address space that no later symbol covers, sorted: a
  // symbol has one entry at its start, and one more (kContinues set, `name` the index of the
  // first) behind each symbol that lies inside it.  So a lookup is one binary search whatever
  // the file says.
  struct Entry {
    std::uint64_t start;
    std::uint32_t size;  // of the symbol
    std::uint32_t name;  // offset in names_
  };
  static constexpr std::uint32_t kContinues = 1U << 31;

  [[nodiscard]] Symbol symbol_of(const Entry& entry) const;

  std::vector<Entry> entries_;
  std::string names_;  // each with its NUL
  std::size_t symbol_count_ = 0;
};

}  // namespace waggle
