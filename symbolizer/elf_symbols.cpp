// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/elf_symbols.h"

#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "symbolizer/dynamic_symbols.h"

namespace waggle {

namespace {

// Nobody looks for a longer one.
constexpr std::size_t kMaxNameBytes = 1024;

std::string_view name_at(Bytes strings, std::uint32_t offset) {
  if (offset >= strings.size()) {
    return {};
  }
  const Bytes rest = strings.subspan(offset);
  const auto* text = reinterpret_cast<const char*>(rest.data());
  const std::string_view name(text, ::strnlen(text, std::min(rest.size(), kMaxNameBytes)));
  return name.substr(0, name.find('@', 1));
}

void visit_table(const RawSymbols& table, const std::function<void(const ElfSymbol&)>& visit) {
  ByteCursor cursor(table.symbols);
  while (cursor.remaining() >= sizeof(Elf64_Sym)) {
    const auto symbol = cursor.read<Elf64_Sym>();
    if (symbol.st_shndx == SHN_UNDEF) {
      continue;
    }
    visit({.name = name_at(table.strings, symbol.st_name),
           .address = symbol.st_value,
           .size = symbol.st_size,
           .type = static_cast<std::uint8_t>(ELF64_ST_TYPE(symbol.st_info))});
  }
}

}  // namespace

Result<RawSymbols> read_raw_symbols(const ElfFile& file, std::uint32_t type) {
  const auto& sections = file.sections();
  const auto found = std::ranges::find(sections, type, &ElfSection::type);
  if (found == sections.end()) {
    if (type != SHT_DYNSYM || !sections.empty()) {
      return RawSymbols{};
    }
    DynamicSymbols dynamic = TRY(read_dynamic_symbols(file, kMaxSymbols, kMaxSymbolNamesBytes));
    return RawSymbols{std::move(dynamic.symbols), std::move(dynamic.strings)};
  }
  if (found->link >= sections.size() || sections[found->link].type != SHT_STRTAB) {
    return fail(Errc::malformed, fmt::format("{} has no string table", found->name));
  }
  RawSymbols table;
  table.symbols = TRY(file.read_section(*found, kMaxSymbols * sizeof(Elf64_Sym)));
  table.strings = TRY(file.read_section(sections[found->link], kMaxSymbolNamesBytes));
  return table;
}

Result<> visit_symbols(const ElfFile& file, const std::function<void(const ElfSymbol&)>& visit) {
  const auto symtab = read_raw_symbols(file, SHT_SYMTAB);
  if (symtab) {
    visit_table(*symtab, visit);
  }
  auto dynsym = read_raw_symbols(file, SHT_DYNSYM);
  if (dynsym) {
    visit_table(*dynsym, visit);
  } else if (!symtab || symtab->symbols.empty()) {
    return std::unexpected(std::move(dynsym).error());
  }
  return {};
}

}  // namespace waggle
