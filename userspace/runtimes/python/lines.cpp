// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/lines.h"

#include "userspace/runtimes/python/layout.h"

namespace waggle {

namespace {

constexpr std::int64_t kMaxLine = 0x7fffffff;

std::optional<std::int32_t> to_line(std::int64_t line) {
  return line >= 0 && line <= kMaxLine ? std::optional(static_cast<std::int32_t>(line))
                                       : std::nullopt;
}

std::optional<std::int32_t> find_in_lnotab(Bytes table, bool is_signed, std::int32_t first_line,
                                           std::int64_t offset) {
  std::int64_t line = first_line;
  std::int64_t address = 0;
  ByteCursor cursor(table);
  while (cursor.remaining() >= 2) {
    address += cursor.read<std::uint8_t>();
    const auto step = cursor.read<std::uint8_t>();
    if (address > offset) {
      break;
    }
    line += is_signed ? static_cast<std::int8_t>(step) : step;
  }
  return to_line(line);
}

std::optional<std::int32_t> find_in_ranges(Bytes table, std::int32_t first_line,
                                           std::int64_t offset) {
  constexpr std::int8_t kNoLine = -128;
  std::int64_t line = first_line;
  std::int64_t end = 0;
  ByteCursor cursor(table);
  while (cursor.remaining() >= 2) {
    end += cursor.read<std::uint8_t>();
    const auto step = cursor.read<std::int8_t>();
    line += step == kNoLine ? 0 : step;
    if (offset < end) {
      return step == kNoLine ? std::nullopt : to_line(line);
    }
  }
  return std::nullopt;
}

// Six bits a byte, the lowest first; bit 6 says that more follow.
std::uint64_t read_varint(ByteCursor& cursor) {
  constexpr unsigned kBits = 6;
  constexpr unsigned kMask = 0x3f;
  constexpr unsigned kMore = 0x40;
  constexpr unsigned kMaxShift = 60;
  std::uint64_t value = 0;
  unsigned shift = 0;
  for (;;) {
    const auto byte = cursor.read<std::uint8_t>();
    if (shift < kMaxShift) {
      value |= static_cast<std::uint64_t>(byte & kMask) << shift;
    }
    shift += kBits;
    if ((byte & kMore) == 0) {
      return value;
    }
  }
}

// The lowest bit is the sign.
std::int64_t read_signed_varint(ByteCursor& cursor) {
  const std::uint64_t value = read_varint(cursor);
  const auto magnitude = static_cast<std::int64_t>(value >> 1);
  return (value & 1) != 0 ? -magnitude : magnitude;
}

// How an entry of the location table goes on after its first byte.
enum class LocationCode : std::uint8_t {
  last_short = 9,
  one_line_0 = 10,  // the code minus this is the number of lines
  one_line_2 = 12,
  no_columns = 13,
  long_form = 14,
  none = 15,
};

// Reads the rest of the entry; true when its instructions have a line.
bool read_location(ByteCursor& cursor, unsigned code, std::int64_t& line) {
  if (code <= static_cast<unsigned>(LocationCode::last_short)) {
    (void)cursor.read<std::uint8_t>();  // columns
    return true;
  }
  if (code <= static_cast<unsigned>(LocationCode::one_line_2)) {
    line += code - static_cast<unsigned>(LocationCode::one_line_0);
    (void)cursor.read<std::uint16_t>();  // columns
    return true;
  }
  if (code == static_cast<unsigned>(LocationCode::none)) {
    return false;
  }
  line += read_signed_varint(cursor);
  if (code == static_cast<unsigned>(LocationCode::long_form)) {
    (void)read_varint(cursor);  // lines up to the end
    (void)read_varint(cursor);  // columns
    (void)read_varint(cursor);
  }
  return true;
}

std::optional<std::int32_t> find_in_locations(Bytes table, std::int32_t first_line,
                                              std::int64_t offset) {
  constexpr unsigned kCodeShift = 3;
  constexpr unsigned kCodeMask = 0xf;
  constexpr unsigned kLengthMask = 0x7;
  constexpr std::int64_t kUnitBytes = 2;
  std::int64_t line = first_line;
  std::int64_t end = 0;
  ByteCursor cursor(table);
  while (cursor.remaining() > 0) {
    const auto head = cursor.read<std::uint8_t>();
    end += ((head & kLengthMask) + 1) * kUnitBytes;
    const bool has_line = read_location(cursor, head >> kCodeShift & kCodeMask, line);
    if (!cursor.ok() || line > kMaxLine || line < -kMaxLine) {
      return std::nullopt;
    }
    if (offset < end) {
      return has_line ? to_line(line) : std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int32_t> find_python_line(Bytes table, std::uint32_t version,
                                             std::int32_t first_line, std::int64_t offset) {
  if (version >= python_version(3, 11, 0)) {
    return find_in_locations(table, first_line, offset);
  }
  if (version >= python_version(3, 10, 0)) {
    return find_in_ranges(table, first_line, offset);
  }
  return find_in_lnotab(table, version >= python_version(3, 6, 0), first_line, offset);
}

}  // namespace waggle
