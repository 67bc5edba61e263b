// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/cfi_program.h"

#include <elf.h>

#include "symbolizer/cfi_rule.h"

namespace waggle {

namespace {

// DWARF 5, section 7.24.
enum CfaOp : std::uint8_t {
  kNop = 0x00,
  kSetLoc = 0x01,
  kAdvanceLoc1 = 0x02,
  kAdvanceLoc2 = 0x03,
  kAdvanceLoc4 = 0x04,
  kOffsetExtended = 0x05,
  kRestoreExtended = 0x06,
  kUndefined = 0x07,
  kSameValue = 0x08,
  kRegister = 0x09,
  kRememberState = 0x0a,
  kRestoreState = 0x0b,
  kDefCfa = 0x0c,
  kDefCfaRegister = 0x0d,
  kDefCfaOffset = 0x0e,
  kDefCfaExpression = 0x0f,
  kExpression = 0x10,
  kOffsetExtendedSf = 0x11,
  kDefCfaSf = 0x12,
  kDefCfaOffsetSf = 0x13,
  kValOffset = 0x14,
  kValOffsetSf = 0x15,
  kValExpression = 0x16,
  kMipsAdvanceLoc8 = 0x1d,
  // Also DW_CFA_AARCH64_negate_ra_state; return addresses are stripped of signatures elsewhere.
  kGnuWindowSave = 0x2d,
  kGnuArgsSize = 0x2e,
  kGnuNegativeOffsetExtended = 0x2f,
  // The upper two bits; the lower six are an operand.
  kAdvanceLoc = 0x40,
  kOffset = 0x80,
  kRestore = 0xc0,
};

constexpr std::uint8_t kPrimaryMask = 0xc0;
constexpr std::uint8_t kOperandMask = 0x3f;

// Compilers nest to two.
constexpr std::size_t kMaxRememberedStates = 256;

constexpr CfiRegisters kX86Registers{
    .sp = 7, .fp = 6, .ip = 16, .has_link_register = false, .spare = 3, .landing = 2};
// No number stands for the pc.
constexpr CfiRegisters kArm64Registers{.sp = 31,
                                       .fp = 29,
                                       .ip = 255,
                                       .has_link_register = true,
                                       .spare = kNoRegister,
                                       .landing = kNoRegister};

std::int64_t multiply(std::uint64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(a * static_cast<std::uint64_t>(b));
}

// Whether another cfa_offset changes nothing else in the rule of the row before.
bool can_take_offset(const unw_rule& rule, const CfiState& state) {
  const bool is_plain = rule.cfa == UNW_CFA_SP || rule.cfa == UNW_CFA_FP;
  return is_plain && state.cfa == CfiState::Cfa::register_offset &&
         state.cfa_offset == static_cast<std::int32_t>(state.cfa_offset);
}

}  // namespace

std::optional<CfiRegisters> cfi_registers_of(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return kX86Registers;
    case EM_AARCH64:
      return kArm64Registers;
    default:
      return std::nullopt;
  }
}

bool CfiProgram::run_initial(Bytes instructions, CfiContext& context) {
  context.initial = {};
  context_ = &context;
  addresses_ = nullptr;
  state_ = {};
  remembered_.clear();
  rows_.clear();
  location_ = 0;
  end_ = 0;  // no row is made
  ByteCursor cursor(instructions);
  while (cursor.remaining() != 0) {
    if (!step(cursor)) {
      return false;
    }
  }
  context.initial = state_;
  return cursor.ok();
}

bool CfiProgram::run(Bytes instructions, const CfiContext& context, std::uint64_t start,
                     std::uint64_t end, const CfiAddresses& addresses) {
  context_ = &context;
  addresses_ = &addresses;
  state_ = context.initial;
  remembered_.clear();
  rows_.clear();
  is_changed_ = true;
  is_offset_changed_ = false;
  location_ = start;
  end_ = end;
  ByteCursor cursor(instructions);
  while (cursor.remaining() != 0) {
    if (!step(cursor)) {
      rows_.clear();
      return false;
    }
  }
  if (!cursor.ok()) {
    rows_.clear();
    return false;
  }
  emit();
  return true;
}

void CfiProgram::emit() {
  if ((!is_changed_ && !is_offset_changed_) || location_ >= end_) {
    return;
  }
  CfiRow row{location_, {}};
  if (is_changed_ || !can_take_offset(rows_.back().rule, state_)) {
    row.rule = rule_of(state_, *context_);
  } else {
    row.rule = rows_.back().rule;
    row.rule.cfa_offset = static_cast<std::int32_t>(state_.cfa_offset);
  }
  if (!rows_.empty() && rows_.back().address == location_) {
    rows_.back() = row;
  } else {
    rows_.push_back(row);
  }
  is_changed_ = false;
  is_offset_changed_ = false;
}

bool CfiProgram::advance(std::uint64_t delta) {
  emit();
  std::uint64_t scaled = 0;
  return !__builtin_mul_overflow(delta, context_->code_alignment, &scaled) &&
         !__builtin_add_overflow(location_, scaled, &location_);
}

bool CfiProgram::set_location(ByteCursor& cursor) {
  if (addresses_ == nullptr) {
    return false;
  }
  const auto location = read_cfi_pointer(cursor, addresses_->end - cursor.remaining(),
                                         addresses_->encoding, addresses_->bases);
  if (!location || *location < location_) {
    return false;
  }
  emit();
  location_ = *location;
  return true;
}

bool CfiProgram::step(ByteCursor& cursor) {
  const auto op = cursor.read<std::uint8_t>();
  const auto operand = static_cast<std::uint8_t>(op & kOperandMask);
  switch (op & kPrimaryMask) {
    case kAdvanceLoc:
      return advance(operand);
    case kOffset:
      set_offset(operand, cursor.read_uleb128());
      return true;
    case kRestore:
      restore(operand);
      return true;
    default:
      return step_extended(op, cursor);
  }
}

bool CfiProgram::step_extended(std::uint8_t op, ByteCursor& cursor) {
  switch (op) {
    case kNop:
    case kGnuWindowSave:
      return true;
    case kSetLoc:
      return set_location(cursor);
    case kAdvanceLoc1:
      return advance(cursor.read<std::uint8_t>());
    case kAdvanceLoc2:
      return advance(cursor.read<std::uint16_t>());
    case kAdvanceLoc4:
      return advance(cursor.read<std::uint32_t>());
    case kMipsAdvanceLoc8:
      return advance(cursor.read<std::uint64_t>());
    case kRememberState:
      if (remembered_.size() == kMaxRememberedStates) {
        return false;
      }
      remembered_.push_back(state_);
      return true;
    case kRestoreState:
      return restore_state();
    case kGnuArgsSize:
      (void)cursor.read_uleb128();
      return true;
    case kDefCfa:
    case kDefCfaSf:
    case kDefCfaRegister:
    case kDefCfaOffset:
    case kDefCfaOffsetSf:
    case kDefCfaExpression:
      return step_cfa(op, cursor);
    default:
      return step_register(op, cursor);
  }
}

bool CfiProgram::restore_state() {
  if (remembered_.empty()) {
    return false;
  }
  state_ = remembered_.back();
  remembered_.pop_back();
  is_changed_ = true;
  return true;
}

bool CfiProgram::step_cfa(std::uint8_t op, ByteCursor& cursor) {
  if (op == kDefCfaOffset || op == kDefCfaOffsetSf) {
    is_offset_changed_ = true;
  } else {
    is_changed_ = true;
  }
  switch (op) {
    case kDefCfa:
    case kDefCfaSf:
      state_.cfa = CfiState::Cfa::register_offset;
      state_.cfa_register = cursor.read_uleb128();
      state_.cfa_offset = op == kDefCfa
                              ? static_cast<std::int64_t>(cursor.read_uleb128())
                              : multiply(static_cast<std::uint64_t>(cursor.read_sleb128()),
                                         context_->data_alignment);
      return true;
    case kDefCfaRegister:
      state_.cfa = CfiState::Cfa::register_offset;
      state_.cfa_register = cursor.read_uleb128();
      return true;
    case kDefCfaOffset:
      state_.cfa_offset = static_cast<std::int64_t>(cursor.read_uleb128());
      return true;
    case kDefCfaOffsetSf:
      state_.cfa_offset =
          multiply(static_cast<std::uint64_t>(cursor.read_sleb128()), context_->data_alignment);
      return true;
    default:  // kDefCfaExpression
      set_cfa_expression(cursor.take(cursor.read_uleb128()));
      return true;
  }
}

void CfiProgram::set_cfa_expression(Bytes expression) {
  const auto parsed = parse_cfi_expression(expression, context_->registers);
  state_.cfa = parsed ? CfiState::Cfa::expression : CfiState::Cfa::unsupported;
  state_.expression = parsed.value_or(CfiExpression{});
}

bool CfiProgram::step_register(std::uint8_t op, ByteCursor& cursor) {
  using Kind = CfiLocation::Kind;
  const std::uint64_t number = cursor.read_uleb128();
  switch (op) {
    case kOffsetExtended:
      set_offset(number, cursor.read_uleb128());
      return true;
    case kOffsetExtendedSf:
      set_offset(number, static_cast<std::uint64_t>(cursor.read_sleb128()));
      return true;
    case kGnuNegativeOffsetExtended:
      set_offset(number, std::uint64_t{0} - cursor.read_uleb128());
      return true;
    case kRestoreExtended:
      restore(number);
      return true;
    case kUndefined:
      set(number, {Kind::undefined, 0});
      return true;
    case kSameValue:
      set(number, {Kind::same_value, 0});
      return true;
    case kRegister:
      set(number, {Kind::in_register, static_cast<std::int64_t>(cursor.read_uleb128())});
      return true;
    case kValOffset:
      set(number, {Kind::val_offset, multiply(cursor.read_uleb128(), context_->data_alignment)});
      return true;
    case kValOffsetSf:
      set(number, {Kind::val_offset, multiply(static_cast<std::uint64_t>(cursor.read_sleb128()),
                                              context_->data_alignment)});
      return true;
    case kExpression:
      set(number, location_of_expression(cursor.take(cursor.read_uleb128()), context_->registers));
      return true;
    case kValExpression:
      (void)cursor.take(cursor.read_uleb128());
      set(number, {Kind::unsupported, 0});
      return true;
    default:
      return false;
  }
}

CfiLocation* CfiProgram::find_tracked(CfiState& state, std::uint64_t number) const {
  if (number == context_->return_register) {
    return &state.ra;
  }
  if (number == context_->registers.fp) {
    return &state.fp;
  }
  if (number == context_->registers.spare) {
    return &state.spare;
  }
  return number == context_->registers.sp ? &state.sp : nullptr;
}

void CfiProgram::set(std::uint64_t number, CfiLocation location) {
  if (CfiLocation* tracked = find_tracked(state_, number)) {
    *tracked = location;
    is_changed_ = true;
  }
}

void CfiProgram::set_offset(std::uint64_t number, std::uint64_t factored) {
  set(number, {CfiLocation::Kind::offset, multiply(factored, context_->data_alignment)});
}

void CfiProgram::restore(std::uint64_t number) {
  if (CfiLocation* tracked = find_tracked(state_, number)) {
    CfiState initial = context_->initial;
    *tracked = *find_tracked(initial, number);
    is_changed_ = true;
  }
}

}  // namespace waggle
