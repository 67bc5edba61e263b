// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/protobuf.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace waggle {
namespace {

using namespace std::string_view_literals;

ProtobufReader reader_of(std::string_view message) {
  return ProtobufReader(std::as_bytes(std::span(message)));
}

TEST(Protobuf, reads_what_it_wrote) {
  std::string message;
  append_protobuf_number(message, 2, 300);
  append_protobuf_text(message, 100, std::string(200, 'a'));
  append_protobuf_number(message, 3, UINT64_MAX);
  EXPECT_EQ(message.substr(0, 3), "\x10\xac\x02");
  ProtobufReader reader = reader_of(message);
  const auto number = reader.next();
  ASSERT_TRUE(number);
  EXPECT_EQ(number->number, 2U);
  EXPECT_EQ(number->value, 300U);
  const auto text = reader.next();
  ASSERT_TRUE(text);
  EXPECT_EQ(text->number, 100U);
  EXPECT_EQ(text->text(), std::string(200, 'a'));
  const auto large = reader.next();
  ASSERT_TRUE(large);
  EXPECT_EQ(large->value, UINT64_MAX);
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.ok());
}

TEST(Protobuf, goes_past_numbers_of_fixed_size) {
  ProtobufReader reader = reader_of("\x09\1\2\3\4\5\6\7\x08\x15\1\0\0\0\x1a\1x"sv);
  EXPECT_EQ(reader.next()->value, 0x0807060504030201U);
  EXPECT_EQ(reader.next()->value, 1U);
  EXPECT_EQ(reader.next()->text(), "x");
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.ok());
}

TEST(Protobuf, ends_at_what_is_no_message) {
  for (const std::string_view bytes :
       {"\x0a"sv, "\x0a\5text"sv, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"sv, "\x08"sv,
        "\x08\x80"sv, "\x09\1\2\3"sv, "\x0d\1"sv, "\x0b\x0c"sv, "\x0c"sv, "\x0e"sv, "\x0f"sv,
        "\2\0"sv, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"sv}) {
    ProtobufReader reader = reader_of(bytes);
    EXPECT_FALSE(reader.next()) << testing::PrintToString(bytes);
    EXPECT_FALSE(reader.ok()) << testing::PrintToString(bytes);
    EXPECT_FALSE(reader.next());
  }
}

}  // namespace
}  // namespace waggle
