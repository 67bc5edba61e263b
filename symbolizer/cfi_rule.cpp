// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/cfi_rule.h"

#include <cstdint>
#include <limits>

namespace waggle {

namespace {

constexpr std::int64_t kWordBytes = 8;

template <class T>
bool fits(std::int64_t value) {
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
}

// Builds a rule; each step is false when the rule cannot say it.
class RuleMaker {
 public:
  RuleMaker(const CfiState& state, const CfiContext& context) : state_(state), context_(context) {}

  bool make() { return make_cfa() && make_ra() && is_sp_the_cfa(); }
  void make_fp();
  void make_spare();
  [[nodiscard]] const unw_rule& rule() const { return rule_; }

 private:
  bool make_cfa();
  bool make_cfa_of_expression();
  bool make_ra();
  [[nodiscard]] bool is_sp_the_cfa() const;
  bool set_cfa(unw_cfa cfa, std::int64_t offset, std::int64_t addend);
  bool use_other(std::uint64_t number);

  const CfiState& state_;
  const CfiContext& context_;
  unw_rule rule_{};
};

bool RuleMaker::set_cfa(unw_cfa cfa, std::int64_t offset, std::int64_t addend) {
  if (!fits<std::int32_t>(offset) || !fits<std::int16_t>(addend)) {
    return false;
  }
  rule_.cfa = static_cast<std::uint8_t>(cfa);
  rule_.cfa_offset = static_cast<std::int32_t>(offset);
  rule_.cfa_addend = static_cast<std::int16_t>(addend);
  return true;
}

// A rule has room for one register besides sp and fp.
bool RuleMaker::use_other(std::uint64_t number) {
  const CfiRegisters& registers = context_.registers;
  if (number == registers.sp || number == registers.fp ||
      number >= std::numeric_limits<std::uint8_t>::max() ||
      (rule_.other_register != 0 && number + 1 != rule_.other_register)) {
    return false;
  }
  rule_.other_register = static_cast<std::uint8_t>(number + 1);
  return true;
}

bool RuleMaker::make_cfa() {
  switch (state_.cfa) {
    case CfiState::Cfa::register_offset:
      if (state_.cfa_register == context_.registers.sp) {
        return set_cfa(UNW_CFA_SP, state_.cfa_offset, 0);
      }
      if (state_.cfa_register == context_.registers.fp) {
        return set_cfa(UNW_CFA_FP, state_.cfa_offset, 0);
      }
      return use_other(state_.cfa_register) && set_cfa(UNW_CFA_OTHER, state_.cfa_offset, 0);
    case CfiState::Cfa::expression:
      return make_cfa_of_expression();
    default:
      return false;
  }
}

bool RuleMaker::make_cfa_of_expression() {
  const CfiExpression& expression = state_.expression;
  const bool is_sp = expression.base == context_.registers.sp;
  const bool is_fp = expression.base == context_.registers.fp;
  switch (expression.kind) {
    case CfiExpression::Kind::address:
      if (is_sp || is_fp) {
        return set_cfa(is_sp ? UNW_CFA_SP : UNW_CFA_FP, expression.offset, 0);
      }
      return use_other(expression.base) && set_cfa(UNW_CFA_OTHER, expression.offset, 0);
    case CfiExpression::Kind::deref:
      return (is_sp || is_fp) && set_cfa(is_sp ? UNW_CFA_SP_DEREF : UNW_CFA_FP_DEREF,
                                         expression.offset, expression.addend);
    case CfiExpression::Kind::index_deref:
      return is_sp && use_other(expression.index) &&
             set_cfa(UNW_CFA_SP_INDEX_DEREF, expression.offset, expression.addend);
    case CfiExpression::Kind::plt:
      return is_sp && set_cfa(UNW_CFA_PLT, expression.offset, expression.addend);
  }
  return false;
}

bool RuleMaker::make_ra() {
  using Kind = CfiLocation::Kind;
  switch (state_.ra.kind) {
    case Kind::offset:
    case Kind::at_sp:
      if (!fits<std::int16_t>(state_.ra.value)) {
        return false;
      }
      rule_.ra = state_.ra.kind == Kind::offset ? UNW_SAVED_CFA : UNW_SAVED_SP;
      rule_.ra_offset = static_cast<std::int16_t>(state_.ra.value);
      return true;
    case Kind::in_register:
      rule_.ra = UNW_SAVED_OTHER;
      return use_other(static_cast<std::uint64_t>(state_.ra.value));
    case Kind::unspecified:
    case Kind::same_value:
      rule_.ra = UNW_SAVED_OTHER;
      return context_.registers.has_link_register && use_other(context_.return_register);
    default:
      return false;
  }
}

bool RuleMaker::is_sp_the_cfa() const {
  using Kind = CfiLocation::Kind;
  switch (state_.sp.kind) {
    case Kind::unspecified:
    case Kind::undefined:
    case Kind::same_value:
      return true;
    case Kind::val_offset:
      return state_.sp.value == 0;
    case Kind::at_sp:  // a signal frame: both are read from the same place
      return rule_.cfa == UNW_CFA_SP_DEREF && rule_.cfa_addend == 0 &&
             state_.sp.value == rule_.cfa_offset;
    default:
      return false;
  }
}

void RuleMaker::make_fp() {
  using Kind = CfiLocation::Kind;
  rule_.fp = UNW_SAVED_LOST;
  switch (state_.fp.kind) {
    case Kind::unspecified:
    case Kind::same_value:
      rule_.fp = UNW_SAVED_NOT;
      break;
    case Kind::offset:
    case Kind::at_sp:
    case Kind::at_fp:
      if (fits<std::int16_t>(state_.fp.value)) {
        rule_.fp = state_.fp.kind == Kind::offset  ? UNW_SAVED_CFA
                   : state_.fp.kind == Kind::at_sp ? UNW_SAVED_SP
                                                   : UNW_SAVED_FP;
        rule_.fp_offset = static_cast<std::int16_t>(state_.fp.value);
      }
      break;
    case Kind::in_register:
      if (use_other(static_cast<std::uint64_t>(state_.fp.value))) {
        rule_.fp = UNW_SAVED_OTHER;
      }
      break;
    default:
      break;
  }
}

void RuleMaker::make_spare() {
  using Kind = CfiLocation::Kind;
  const CfiLocation& spare = state_.spare;
  const std::int64_t words = -spare.value / kWordBytes;
  if (context_.registers.spare == kNoRegister) {
    rule_.spare = UNW_SPARE_UNKNOWN;
  } else if (spare.kind == Kind::unspecified || spare.kind == Kind::same_value) {
    rule_.spare = UNW_SPARE_KEPT;
  } else if (spare.kind == Kind::offset && spare.value % kWordBytes == 0 &&
             words > UNW_SPARE_UNKNOWN && words < UNW_SPARE_KEPT) {
    rule_.spare = static_cast<std::uint8_t>(words);
  }
}

}  // namespace

unw_rule rule_of(const CfiState& state, const CfiContext& context) {
  if (state.ra.kind == CfiLocation::Kind::undefined) {
    return fixed_rule(UNW_CFA_END);
  }
  RuleMaker maker(state, context);
  if (!maker.make()) {
    return fixed_rule(UNW_CFA_UNSUPPORTED);
  }
  maker.make_fp();
  maker.make_spare();
  unw_rule rule = maker.rule();
  // The end of _Unwind_RaiseException and its like: on to a landing pad, which nobody calls.
  const bool lands =
      rule.other_register != 0 && rule.other_register == context.registers.landing + 1;
  rule.is_signal_frame = context.is_signal_frame || lands ? 1 : 0;
  return rule;
}

CfiLocation location_of_expression(Bytes expression, const CfiRegisters& registers) {
  using Kind = CfiLocation::Kind;
  const auto parsed = parse_cfi_expression(expression, registers);
  if (parsed && parsed->kind == CfiExpression::Kind::address) {
    if (parsed->base == registers.sp) {
      return {Kind::at_sp, parsed->offset};
    }
    if (parsed->base == registers.fp) {
      return {Kind::at_fp, parsed->offset};
    }
  }
  return {Kind::unsupported, 0};
}

}  // namespace waggle
