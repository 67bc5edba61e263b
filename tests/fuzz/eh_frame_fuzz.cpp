// SPDX-License-Identifier: Apache-2.0
// A byte of flags, then any bytes as the call frame information of an ELF file that is well-formed
// otherwise: rows are made of it, and a table.  tests/fuzz/elf_fuzz.cpp breaks the file around.
//   1  .debug_frame in place of .eh_frame
//   2  no section headers
//   4  AArch64
//   8  of Go, whose code begins with a function of its runtime
//   16 says where rbx is
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "symbolizer/eh_frame.h"
#include "symbolizer/unwind_table.h"
#include "tests/unit/symbolizer/cfi_builder.h"

namespace {

enum Flags : std::uint8_t { kDebugFrame = 1, kNoSections = 2, kArm64 = 4, kGo = 8, kSpare = 16 };

waggle::ElfSpec spec_of(std::uint8_t flags, std::vector<std::byte> section) {
  waggle::ElfSpec spec;
  spec.has_sections = (flags & kNoSections) == 0;
  if ((flags & kGo) != 0) {
    spec.go_table.resize(1);
    spec.functions = {{"runtime.mcall", waggle::kCode, 16},
                      {"runtime.morestack.abi0", waggle::kCode + 16, 16}};
  }
  spec.machine = (flags & kArm64) != 0 ? EM_AARCH64 : EM_X86_64;
  if ((flags & kDebugFrame) != 0) {
    spec.debug_frame = std::move(section);
  } else {
    spec.eh_frame = std::move(section);
    spec.eh_frame_hdr = waggle::ByteWriter{1, 0x04, 0xff, 0xff}.put(waggle::kEhFrame).bytes();
  }
  return spec;
}

// Addresses grow, and all of the code has a row.
void check_rows(const waggle::ElfFile& file, bool follows_spare) {
  auto info = waggle::CallFrameInfo::read(file, {.follows_spare = follows_spare});
  if (!info) {
    CHECK(!info.error().what.empty());
    return;
  }
  std::uint64_t next = info->lowest_address();
  bool is_first = true;
  info->visit_rows([&](std::span<const waggle::CfiRow> rows) {
    for (const waggle::CfiRow& row : rows) {
      CHECK(is_first ? row.address == next : row.address >= next);
      CHECK(row.rule.cfa <= UNW_CFA_FP_ANYWHERE && row.rule.fp <= UNW_SAVED_OTHER);
      CHECK(row.rule.cfa <= UNW_CFA_END || row.rule.ra == UNW_SAVED_CFA ||
            row.rule.ra == UNW_SAVED_SP || row.rule.ra == UNW_SAVED_OTHER);
      next = row.address + 1;
      is_first = false;
    }
    return true;
  });
  CHECK(!is_first && next <= waggle::kCode + waggle::kCodeBytes + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const waggle::Bytes bytes = std::as_bytes(std::span(data + 1, size - 1));
  const waggle::ElfFile file = waggle::make_elf(spec_of(data[0], {bytes.begin(), bytes.end()}));
  check_rows(file, (data[0] & kSpare) != 0);
  waggle::UnwindRules rules;
  if (const auto table = waggle::UnwindTable::build(file, rules)) {
    CHECK(table->leaf_count() != 0 && table->facts().row_count != 0);
    rules.release(table->rules());
  }
  CHECK(rules.size() == UNW_FIXED_RULES);
  return 0;
}
