// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

namespace waggle {
namespace {

using testing::ElementsAre;

TEST(Printable, replaces_control_characters) {
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f"), "a?b?[31m?");
  EXPECT_EQ(printable("a\nb\r", Newlines::keep), "a\nb?");
}

TEST(Printable, keeps_utf8_and_replaces_what_is_not) {
  EXPECT_EQ(printable("größe→𝄞"), "größe→𝄞");
  EXPECT_EQ(printable("a\xff\xc3"), "a??");
  EXPECT_EQ(printable("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(printable("\xc0\xaf"), "??");       // an overlong '/'
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "??31m");  // CSI as one C1 character
}

TEST(Trimmed, is_without_the_blanks_at_both_ends_alone) {
  EXPECT_EQ(trimmed(" \ta b\r\n"), "a b");
  EXPECT_EQ(trimmed(" \n"), "");
  EXPECT_EQ(trimmed(""), "");
  EXPECT_EQ(trimmed("'a' ", "' "), "a");
}

TEST(Split, keeps_empty_parts) {
  EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b"));
  EXPECT_THAT(split("", ','), ElementsAre(""));
}

TEST(ParseNumber, takes_the_whole_text_or_nothing) {
  EXPECT_EQ(parse_number<int>("42"), 42);
  EXPECT_EQ(parse_number<std::uint64_t>("7f00", 16), 0x7f00U);
  EXPECT_FALSE(parse_number<int>("42x"));
  EXPECT_FALSE(parse_number<int>(" 42"));
  EXPECT_FALSE(parse_number<int>(""));
  EXPECT_FALSE(parse_number<unsigned>("-1"));
  EXPECT_FALSE(parse_number<std::int8_t>("128"));
}

}  // namespace
}  // namespace waggle
