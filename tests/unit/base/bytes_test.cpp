// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>

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

}  // namespace
}  // namespace waggle
