// SPDX-License-Identifier: Apache-2.0
// Runs the call frame instructions of one function (DWARF 5, section 6.4.2; GNU and AArch64
// additions) and gives its rows.  Of all registers, those that a stack is walked with are followed:
// the CFA, the return address, the frame pointer, the stack pointer.  Not for records and sections:
// see cfi_section.h.
//
// Where reality differs from the specification, the behaviour of GCC's unwinder is taken:
// - def_cfa_offset after def_cfa_expression sets the offset and keeps the expression;
// - restore_state restores the CFA, too;
// - a register that no rule mentions is unchanged, and sp is the CFA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "bpf/abi/unwind.h"
#include "symbolizer/cfi_expression.h"
#include "symbolizer/cfi_pointer.h"

namespace waggle {

// How a frame with its ip from `address` on, up to the next row, finds its caller.
struct CfiRow {
  std::uint64_t address;
  unw_rule rule;
};

constexpr unw_rule fixed_rule(unw_cfa cfa) {
  unw_rule rule{};
  rule.cfa = static_cast<std::uint8_t>(cfa);
  return rule;
}

// EM_* -> its registers; nothing for a processor that is not known.
std::optional<CfiRegisters> cfi_registers_of(std::uint16_t machine);

// Where the caller's value of a register is (DWARF 5, section 6.4.1).
struct CfiLocation {
  enum class Kind : std::uint8_t {
    unspecified,
    undefined,
    same_value,
    offset,       // [CFA + value]
    val_offset,   // CFA + value
    in_register,  // value: its number
    at_sp,        // [sp + value]
    at_fp,        // [fp + value]
    unsupported,
  };
  Kind kind = Kind::unspecified;
  std::int64_t value = 0;

  friend bool operator==(const CfiLocation&, const CfiLocation&) = default;
};

struct CfiState {
  enum class Cfa : std::uint8_t { unset, register_offset, expression, unsupported };
  Cfa cfa = Cfa::unset;
  std::uint64_t cfa_register = 0;
  std::int64_t cfa_offset = 0;
  CfiExpression expression{};
  CfiLocation fp;
  CfiLocation ra;
  CfiLocation sp;
  CfiLocation spare;
};

// How DW_CFA_set_loc's operand is read.
struct CfiAddresses {
  const CfiBases& bases;
  std::uint8_t encoding;
  std::uint64_t end;  // offset in the section of the end of the instructions
};

// What the instructions of a function need to know of its CIE.
struct CfiContext {
  CfiRegisters registers{};
  std::uint64_t code_alignment = 1;
  std::int64_t data_alignment = 1;
  std::uint64_t return_register = 0;
  bool is_signal_frame = false;
  CfiState initial;  // after the CIE's own instructions
};

// One at a time, used again for each function: keeps its buffers.
class CfiProgram {
 public:
  // A CIE's instructions: sets context.initial.  False when they are malformed.
  bool run_initial(Bytes instructions, CfiContext& context);

  // Rows of [start, end), the first at start, with growing addresses; malformed instructions give
  // false and leave no rows.  Valid until the next call.
  bool run(Bytes instructions, const CfiContext& context, std::uint64_t start, std::uint64_t end,
           const CfiAddresses& addresses);
  [[nodiscard]] std::vector<CfiRow>& rows() { return rows_; }

 private:
  bool step(ByteCursor& cursor);
  bool step_extended(std::uint8_t op, ByteCursor& cursor);
  bool step_register(std::uint8_t op, ByteCursor& cursor);
  bool step_cfa(std::uint8_t op, ByteCursor& cursor);
  bool advance(std::uint64_t delta);
  bool set_location(ByteCursor& cursor);
  bool restore_state();
  void emit();
  void set_cfa_expression(Bytes expression);
  void set(std::uint64_t number, CfiLocation location);
  void set_offset(std::uint64_t number, std::uint64_t factored);
  void restore(std::uint64_t number);
  CfiLocation* find_tracked(CfiState& state, std::uint64_t number) const;

  const CfiContext* context_ = nullptr;
  const CfiAddresses* addresses_ = nullptr;
  CfiState state_;
  bool is_changed_ = false;         // since the last row
  bool is_offset_changed_ = false;  // cfa_offset alone: pushes and pops, most rows
  std::uint64_t location_ = 0;
  std::uint64_t end_ = 0;
  std::vector<CfiState> remembered_;
  std::vector<CfiRow> rows_;
};

}  // namespace waggle
