// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <vector>

namespace waggle {
namespace {

constexpr std::array kFive = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{0}};

TEST(CheckedSlice, takes_a_part_that_lies_inside) {
  const auto part = checked_slice(kFive, 1, 3);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->size(), 3U);
  EXPECT_EQ(part->front(), std::byte{2});
}

TEST(CheckedSlice, refuses_an_end_that_wraps_around) {
  EXPECT_FALSE(checked_slice(kFive, 2, std::numeric_limits<std::uint64_t>::max()));
  EXPECT_FALSE(checked_slice(kFive, std::numeric_limits<std::uint64_t>::max(), 1));
  EXPECT_FALSE(checked_slice(kFive, 0, 6));
}

TEST(CheckedString, needs_its_terminator) {
  EXPECT_EQ(checked_string(kFive, 0), std::string_view("\1\2\3\4"));
  EXPECT_EQ(checked_string(kFive, 4), std::string_view());
  EXPECT_FALSE(checked_string(Bytes(kFive).first(4), 0));
  EXPECT_FALSE(checked_string(kFive, 5));
}

TEST(ByteCursor, reads_little_endian_values_in_order) {
  ByteCursor cursor(kFive);
  EXPECT_EQ(cursor.read<std::uint16_t>(), 0x0201);
  EXPECT_EQ(cursor.read<std::uint8_t>(), 3);
  EXPECT_TRUE(cursor.ok());
  EXPECT_EQ(cursor.remaining(), 2U);
}

TEST(ByteCursor, stays_failed_after_the_first_overrun) {
  ByteCursor cursor(kFive);
  EXPECT_EQ(cursor.read<std::uint64_t>(), 0U);
  EXPECT_FALSE(cursor.ok());
  EXPECT_EQ(cursor.read<std::uint8_t>(), 0);
  EXPECT_FALSE(cursor.ok());
}

std::vector<std::byte> bytes_of(std::initializer_list<unsigned> values) {
  std::vector<std::byte> bytes;
  for (const unsigned value : values) {
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

std::uint64_t uleb128_of(std::initializer_list<unsigned> values) {
  const std::vector<std::byte> bytes = bytes_of(values);
  ByteCursor cursor(bytes);
  const std::uint64_t value = cursor.read_uleb128();
  EXPECT_TRUE(cursor.ok());
  EXPECT_EQ(cursor.remaining(), 0U);
  return value;
}

std::int64_t sleb128_of(std::initializer_list<unsigned> values) {
  const std::vector<std::byte> bytes = bytes_of(values);
  ByteCursor cursor(bytes);
  const std::int64_t value = cursor.read_sleb128();
  EXPECT_TRUE(cursor.ok());
  EXPECT_EQ(cursor.remaining(), 0U);
  return value;
}

// The examples of DWARF 5, section 7.6, and the ends of the range.
TEST(ByteCursor, reads_leb128_values) {
  EXPECT_EQ(uleb128_of({2}), 2U);
  EXPECT_EQ(uleb128_of({0x80, 1}), 128U);
  EXPECT_EQ(uleb128_of({0xb9, 0x64}), 12857U);
  EXPECT_EQ(uleb128_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(sleb128_of({2}), 2);
  EXPECT_EQ(sleb128_of({0x7e}), -2);
  EXPECT_EQ(sleb128_of({0xff, 0}), 127);
  EXPECT_EQ(sleb128_of({0x81, 0x7f}), -127);
  EXPECT_EQ(sleb128_of({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}),
            std::numeric_limits<std::int64_t>::min());
}

TEST(ByteCursor, reads_over_padded_leb128_values_and_cuts_what_passes_64_bits) {
  EXPECT_EQ(uleb128_of({0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}), 2U);
  EXPECT_EQ(uleb128_of({0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}),
            2U);
  EXPECT_EQ(sleb128_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}),
            -2);
}

TEST(ByteCursor, fails_on_a_leb128_value_without_its_end) {
  const std::vector<std::byte> bytes = bytes_of({0x80, 0x80});
  ByteCursor cursor(bytes);
  EXPECT_EQ(cursor.read_uleb128(), 0U);
  EXPECT_FALSE(cursor.ok());
  ByteCursor other(bytes);
  EXPECT_EQ(other.read_sleb128(), 0);
  EXPECT_FALSE(other.ok());
}

}  // namespace
}  // namespace waggle
