// SPDX-License-Identifier: Apache-2.0
// The few DWARF expressions that call frame information is made of (DWARF 5, sections 2.5 and
// 6.4.2): an address relative to a register, one read from there, the compare of a PLT stub.  They
// are understood by what they compute, not by their spelling.  Not a stack machine: nothing is
// evaluated, and what is none of these forms is refused.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace waggle {

constexpr std::uint8_t kNoRegister = 255;

// DWARF register numbers of a processor.
struct CfiRegisters {
  std::uint8_t sp;
  std::uint8_t fp;
  std::uint8_t ip;         // as expressions name it
  bool has_link_register;  // a return address that no rule mentions is in its register
  std::uint8_t spare;      // see unw_spare_place; kNoRegister: is not followed
  std::uint8_t landing;    // what __builtin_eh_return() leaves its function by; or kNoRegister
};

// What an expression computes.
struct CfiExpression {
  enum class Kind : std::uint8_t {
    address,      // base + offset
    deref,        // [base + offset] + addend
    index_deref,  // [base + 8 * index + offset] + addend
    plt,          // base + offset, plus 8 if ip % 16 >= addend
  };
  Kind kind;
  std::uint64_t base;   // a register
  std::uint64_t index;  // a register
  std::int64_t offset;
  std::int64_t addend;
};

std::optional<CfiExpression> parse_cfi_expression(Bytes expression, const CfiRegisters& registers);

}  // namespace waggle
