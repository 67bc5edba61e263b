// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace waggle {
namespace {

using namespace std::string_view_literals;

template <class Unit>
std::string decode(const std::vector<Unit>& units, PythonCharacters characters) {
  return decode_python_text(std::as_bytes(std::span(units)), characters);
}

std::string decode_bytes(std::string_view text) {
  return decode_python_text(std::as_bytes(std::span(text)), PythonCharacters::bytes);
}

TEST(PythonText, is_utf8_whatever_the_width) {
  EXPECT_EQ(decode<std::uint8_t>({'C', 'a', 'f', 0xe9}, PythonCharacters::latin1), "Café");
  EXPECT_EQ(decode<std::uint16_t>({0x43f, 0x443, 0x540d}, PythonCharacters::ucs2), "пу名");
  EXPECT_EQ(decode<std::uint32_t>({'x', 0xe9, 0x540d, 0x1f40d, 0x10ffff}, PythonCharacters::ucs4),
            "xé名🐍\U0010ffff");
  EXPECT_EQ(decode_bytes("Café"), "Café");
}

TEST(PythonText, has_every_boundary_of_utf8) {
  EXPECT_EQ(decode<std::uint32_t>({0xa0, 0x7ff, 0x800, 0xffff, 0x10000}, PythonCharacters::ucs4),
            "\u00a0\u07ff\u0800\uffff\U00010000");
}

TEST(PythonText, shows_what_is_no_character_as_a_question_mark) {
  EXPECT_EQ(decode<std::uint16_t>({'a', 0xd800, 0xdfff, 'b'}, PythonCharacters::ucs2), "a??b");
  EXPECT_EQ(decode<std::uint32_t>({0x110000, 0xffffffff}, PythonCharacters::ucs4), "??");
  EXPECT_EQ(decode<std::uint8_t>({'a', '\n', 0x1b, 'b'}, PythonCharacters::latin1), "a??b");
  EXPECT_EQ(decode_bytes("a\xff\0b"sv), "a??b");
}

TEST(PythonText, leaves_a_part_of_a_character_out) {
  EXPECT_EQ(decode<std::uint8_t>({'a', 0, 'b'}, PythonCharacters::ucs2), "a");
  EXPECT_EQ(decode<std::uint8_t>({'a', 0, 0}, PythonCharacters::ucs4), "");
  EXPECT_EQ(decode<std::uint8_t>({}, PythonCharacters::latin1), "");
}

}  // namespace
}  // namespace waggle
