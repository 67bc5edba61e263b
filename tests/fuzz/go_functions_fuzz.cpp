// SPDX-License-Identifier: Apache-2.0
// Any bytes as the .gopclntab of an ELF file that is well-formed otherwise.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "symbolizer/go_functions.h"
#include "symbolizer/unwind_table.h"
#include "tests/unit/symbolizer/cfi_builder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const waggle::Bytes bytes = std::as_bytes(std::span(data, size));
  const waggle::ElfFile file = waggle::make_elf({.go_table = {bytes.begin(), bytes.end()}});
  const auto go = waggle::GoFunctions::read(file);
  if (!go) {
    CHECK(!go.error().what.empty());
    return 0;
  }
  std::vector<waggle::CfiRow> rows;
  for (const auto& function : go->functions()) {
    CHECK(function.start < function.end);
    const bool has_rows = go->read_rows(function, rows);
    CHECK(has_rows != rows.empty());
    std::uint64_t next = function.start;
    for (const waggle::CfiRow& row : rows) {
      CHECK(row.address >= next && row.address < function.end && row.rule.cfa_offset >= 0);
      next = row.address + 1;
    }
  }
  waggle::UnwindRules rules;
  if (const auto table = waggle::UnwindTable::build(file, rules)) {
    rules.release(table->rules());
  }
  CHECK(rules.size() == UNW_FIXED_RULES);
  return 0;
}
