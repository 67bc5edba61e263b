// SPDX-License-Identifier: Apache-2.0
// Any bytes as an ELF file: opened, its symbols read, names looked up, its unwind table made.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "symbolizer/module.h"
#include "symbolizer/unwind_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const waggle::Bytes bytes = std::as_bytes(std::span(data, size));
  const std::vector<std::byte> copy(bytes.begin(), bytes.end());
  if (const auto file = waggle::ElfFile::from_bytes(copy)) {
    for (const waggle::ElfSection& section : file->sections()) {
      constexpr std::size_t kLimitBytes = 1 << 20;
      const auto read = file->read_section(section, kLimitBytes);
      CHECK(!read || read->size() <= kLimitBytes);
    }
    waggle::UnwindRules rules;
    if (const auto table = waggle::UnwindTable::build(*file, rules)) {
      rules.release(table->rules());
    }
    CHECK(rules.size() == UNW_FIXED_RULES);
  }
  const auto module = waggle::Module::load_bytes(copy);
  if (!module) {
    return 0;
  }
  module->symbols().for_each([&](const waggle::SymbolTable::Symbol& symbol) {
    CHECK(!symbol.name.empty() && symbol.size > 0);
    const auto found = module->symbols().find(symbol.start);
    CHECK(found && found->start == symbol.start);
    (void)module->symbols().find(symbol.start + symbol.size);
  });
  for (std::uint64_t offset = 0; offset < size; offset += 16) {
    if (const auto address = module->address_of_offset(offset)) {
      (void)module->find_name(*address);
    }
  }
  return 0;
}
