// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/cfi_expression.h"

#include <array>
#include <cstddef>

namespace waggle {

namespace {

// DWARF 5, section 7.7.1.
enum DwarfOp : std::uint8_t {
  kDeref = 0x06,
  kConst1u = 0x08,
  kConst1s = 0x09,
  kConst2u = 0x0a,
  kConst2s = 0x0b,
  kConst4u = 0x0c,
  kConst4s = 0x0d,
  kConst8u = 0x0e,
  kConst8s = 0x0f,
  kConstu = 0x10,
  kConsts = 0x11,
  kAnd = 0x1a,
  kMinus = 0x1c,
  kMul = 0x1e,
  kPlus = 0x22,
  kPlusUconst = 0x23,
  kShl = 0x24,
  kGe = 0x2a,
  kLit0 = 0x30,
  kLit31 = 0x4f,
  kBreg0 = 0x70,
  kBreg31 = 0x8f,
  kBregx = 0x92,
  kNop = 0x96,
};

constexpr std::size_t kMaxDepth = 8;
constexpr std::int64_t kWordBytes = 8;
constexpr std::int64_t kWordShift = 3;
// Entries of a PLT have 16 bytes; from the push on, in the last of them, the stack is one deeper.
constexpr std::int64_t kPltMask = 15;

// A value on the expression's stack.
struct Term {
  enum class Kind : std::uint8_t {
    constant,       // offset
    address,        // base + offset
    scaled,         // 8 * index
    indexed,        // base + 8 * index + offset
    deref,          // [base + offset] + addend
    index_deref,    // [base + 8 * index + offset] + addend
    ip,             // the instruction pointer
    ip_in_entry,    // ip & 15
    is_after_push,  // ip_in_entry >= addend
    push_bytes,     // is_after_push << 3
    plt,            // base + offset + push_bytes
  };
  Kind kind = Kind::constant;
  std::uint64_t base = 0;
  std::uint64_t index = 0;
  std::int64_t offset = 0;
  std::int64_t addend = 0;
};
using Kind = Term::Kind;

std::int64_t add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

bool is_constant(const Term& term, std::int64_t value) {
  return term.kind == Kind::constant && term.offset == value;
}

std::optional<Term> plus_constant(Term term, std::int64_t value) {
  switch (term.kind) {
    case Kind::constant:
    case Kind::address:
    case Kind::indexed:
    case Kind::plt:
      term.offset = add(term.offset, value);
      return term;
    case Kind::deref:
    case Kind::index_deref:
      term.addend = add(term.addend, value);
      return term;
    default:
      return std::nullopt;
  }
}

std::optional<Term> plus(const Term& a, const Term& b) {
  if (b.kind == Kind::constant) {
    return plus_constant(a, b.offset);
  }
  if (a.kind == Kind::constant) {
    return plus_constant(b, a.offset);
  }
  if (b.kind == Kind::address && a.kind != Kind::address) {
    return plus(b, a);
  }
  Term sum = a;
  if (a.kind == Kind::address && b.kind == Kind::scaled) {
    sum.kind = Kind::indexed;
    sum.index = b.index;
    return sum;
  }
  if (a.kind == Kind::address && b.kind == Kind::push_bytes) {
    sum.kind = Kind::plt;
    sum.addend = b.addend;
    return sum;
  }
  return std::nullopt;
}

// 8 * term, by a multiplication or a shift.
std::optional<Term> scale(Term term) {
  if (term.kind == Kind::address && term.offset == 0) {
    return Term{.kind = Kind::scaled, .index = term.base};
  }
  if (term.kind == Kind::is_after_push) {
    term.kind = Kind::push_bytes;
    return term;
  }
  return std::nullopt;
}

std::optional<Term> combine(std::uint8_t op, Term a, const Term& b) {
  switch (op) {
    case kPlus:
      return plus(a, b);
    case kMinus:
      return b.kind == Kind::constant ? plus_constant(a, add(~b.offset, 1)) : std::nullopt;
    case kMul:
      return is_constant(b, kWordBytes) ? scale(a) : std::nullopt;
    case kShl:
      return is_constant(b, kWordShift) ? scale(a) : std::nullopt;
    case kAnd:
      if (a.kind != Kind::ip || !is_constant(b, kPltMask)) {
        return std::nullopt;
      }
      a.kind = Kind::ip_in_entry;
      return a;
    case kGe:
      if (a.kind != Kind::ip_in_entry || b.kind != Kind::constant) {
        return std::nullopt;
      }
      return Term{.kind = Kind::is_after_push, .addend = b.offset};
    default:
      return std::nullopt;
  }
}

std::optional<Term> deref(Term term) {
  if (term.kind == Kind::address) {
    term.kind = Kind::deref;
    return term;
  }
  if (term.kind == Kind::indexed) {
    term.kind = Kind::index_deref;
    return term;
  }
  return std::nullopt;
}

Term register_term(std::uint64_t number, std::int64_t offset, const CfiRegisters& registers) {
  if (number == registers.ip && offset == 0) {
    return {.kind = Kind::ip};
  }
  return {.kind = Kind::address, .base = number, .offset = offset};
}

Term constant_term(std::int64_t value) {
  return {.kind = Kind::constant, .offset = value};
}

// The value that an operation pushes without popping any; nothing for another operation.
std::optional<Term> read_operand(std::uint8_t op, ByteCursor& cursor,
                                 const CfiRegisters& registers) {
  if (op >= kLit0 && op <= kLit31) {
    return constant_term(op - kLit0);
  }
  if (op >= kBreg0 && op <= kBreg31) {
    return register_term(op - kBreg0, cursor.read_sleb128(), registers);
  }
  switch (op) {
    case kBregx: {
      const std::uint64_t number = cursor.read_uleb128();
      return register_term(number, cursor.read_sleb128(), registers);
    }
    case kConst1u:
      return constant_term(cursor.read<std::uint8_t>());
    case kConst1s:
      return constant_term(cursor.read<std::int8_t>());
    case kConst2u:
      return constant_term(cursor.read<std::uint16_t>());
    case kConst2s:
      return constant_term(cursor.read<std::int16_t>());
    case kConst4u:
      return constant_term(cursor.read<std::uint32_t>());
    case kConst4s:
      return constant_term(cursor.read<std::int32_t>());
    case kConst8u:
    case kConst8s:
      return constant_term(cursor.read<std::int64_t>());
    case kConstu:
      return constant_term(static_cast<std::int64_t>(cursor.read_uleb128()));
    case kConsts:
      return constant_term(cursor.read_sleb128());
    default:
      return std::nullopt;
  }
}

class TermStack {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool push(const std::optional<Term>& term) {
    if (!term || size_ == kMaxDepth) {
      return false;
    }
    terms_[size_++] = *term;
    return true;
  }
  std::optional<Term> pop() {
    if (size_ == 0) {
      return std::nullopt;
    }
    return terms_[--size_];
  }

 private:
  std::array<Term, kMaxDepth> terms_;
  std::size_t size_ = 0;
};

// One operation; false for one that is not understood.
bool apply(std::uint8_t op, ByteCursor& cursor, const CfiRegisters& registers, TermStack& stack) {
  if (op == kNop) {
    return true;
  }
  if (const auto operand = read_operand(op, cursor, registers)) {
    return stack.push(operand);
  }
  const auto top = stack.pop();
  if (!top) {
    return false;
  }
  if (op == kDeref) {
    return stack.push(deref(*top));
  }
  if (op == kPlusUconst) {
    return stack.push(plus_constant(*top, static_cast<std::int64_t>(cursor.read_uleb128())));
  }
  const auto below = stack.pop();
  return below && stack.push(combine(op, *below, *top));
}

}  // namespace

std::optional<CfiExpression> parse_cfi_expression(Bytes expression, const CfiRegisters& registers) {
  ByteCursor cursor(expression);
  TermStack stack;
  while (cursor.remaining() != 0) {
    const auto op = cursor.read<std::uint8_t>();
    if (!apply(op, cursor, registers, stack)) {
      return std::nullopt;
    }
  }
  const auto result = stack.pop();
  if (!cursor.ok() || !result || stack.size() != 0) {
    return std::nullopt;
  }
  const auto make = [&](CfiExpression::Kind kind) {
    return CfiExpression{kind, result->base, result->index, result->offset, result->addend};
  };
  switch (result->kind) {
    case Kind::address:
      return make(CfiExpression::Kind::address);
    case Kind::deref:
      return make(CfiExpression::Kind::deref);
    case Kind::index_deref:
      return make(CfiExpression::Kind::index_deref);
    case Kind::plt:
      return make(CfiExpression::Kind::plt);
    default:
      return std::nullopt;
  }
}

}  // namespace waggle
