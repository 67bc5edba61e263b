// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/cfi_pointer.h"

namespace waggle {

namespace {

constexpr std::uint8_t kFormatMask = 0x0f;
constexpr std::uint8_t kBaseMask = 0x70;
constexpr std::uint8_t kIndirect = 0x80;

enum Format : std::uint8_t {
  kAbsptr = 0x00,
  kUleb128 = 0x01,
  kUdata2 = 0x02,
  kUdata4 = 0x03,
  kUdata8 = 0x04,
  kSigned = 0x08,
  kSleb128 = 0x09,
  kSdata2 = 0x0a,
  kSdata4 = 0x0b,
  kSdata8 = 0x0c,
};

enum Base : std::uint8_t {
  kPcRelative = 0x10,
  kTextRelative = 0x20,
  kDataRelative = 0x30,
  kAligned = 0x50,
};

std::uint64_t widen(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

std::optional<std::uint64_t> read_value(ByteCursor& cursor, std::uint8_t format) {
  switch (format) {
    case kAbsptr:
    case kUdata8:
    case kSigned:
    case kSdata8:
      return cursor.read<std::uint64_t>();
    case kUleb128:
      return cursor.read_uleb128();
    case kUdata2:
      return cursor.read<std::uint16_t>();
    case kUdata4:
      return cursor.read<std::uint32_t>();
    case kSleb128:
      return widen(cursor.read_sleb128());
    case kSdata2:
      return widen(cursor.read<std::int16_t>());
    case kSdata4:
      return widen(cursor.read<std::int32_t>());
    default:
      return std::nullopt;
  }
}

std::optional<std::uint64_t> base_of(std::uint8_t encoding, std::uint64_t position,
                                     const CfiBases& bases) {
  switch (encoding & kBaseMask) {
    case kCfiAbsolute:
      return 0;
    case kPcRelative:
      return bases.section + position;
    case kTextRelative:
      return bases.text;
    case kDataRelative:
      return bases.data;
    default:
      return std::nullopt;
  }
}

std::uint64_t read_aligned(ByteCursor& cursor, std::uint64_t position, const CfiBases& bases) {
  constexpr std::uint64_t kPointerBytes = sizeof(std::uint64_t);
  const std::uint64_t address = bases.section + position;
  (void)cursor.take((kPointerBytes - address % kPointerBytes) % kPointerBytes);
  return cursor.read<std::uint64_t>();
}

}  // namespace

std::optional<std::uint64_t> read_cfi_pointer(ByteCursor& cursor, std::uint64_t position,
                                              std::uint8_t encoding, const CfiBases& bases) {
  if (encoding == kCfiOmitted) {
    return std::nullopt;
  }
  if (encoding == kAligned) {
    return read_aligned(cursor, position, bases);
  }
  const auto base = base_of(encoding, position, bases);
  const auto value = read_value(cursor, static_cast<std::uint8_t>(encoding & kFormatMask));
  if (!base || !value || *value == 0) {
    return base ? value : std::nullopt;
  }
  const std::uint64_t address = *base + *value;
  if ((encoding & kIndirect) == 0) {
    return address;
  }
  return bases.read_word ? bases.read_word(address) : std::nullopt;
}

bool skip_cfi_pointer(ByteCursor& cursor, std::uint64_t position, std::uint8_t encoding,
                      const CfiBases& bases) {
  if (encoding == kAligned) {
    (void)read_aligned(cursor, position, bases);
    return true;
  }
  return read_value(cursor, static_cast<std::uint8_t>(encoding & kFormatMask)).has_value();
}

std::optional<std::uint64_t> read_cfi_size(ByteCursor& cursor, std::uint8_t encoding) {
  return encoding == kAligned
             ? cursor.read<std::uint64_t>()
             : read_value(cursor, static_cast<std::uint8_t>(encoding & kFormatMask));
}

}  // namespace waggle
