// SPDX-License-Identifier: Apache-2.0
// Small tables by hand; tests/e2e/python/python_lines_test.cpp has those of real interpreters.
#include "userspace/runtimes/python/lines.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "userspace/runtimes/python/layout.h"

namespace waggle {
namespace {

using Table = std::vector<std::uint8_t>;

std::optional<std::int32_t> line(const Table& table, unsigned major, unsigned minor,
                                 std::int64_t offset) {
  return find_python_line(std::as_bytes(std::span(table)), python_version(major, minor, 0), 10,
                          offset);
}

TEST(PythonLines, step_back_since_3_6_and_not_before) {
  const Table table = {4, 2, 4, 0xff};  // 0xff: 255 or -1
  for (const unsigned minor : {6U, 7U, 8U, 9U}) {
    EXPECT_EQ(line(table, 3, minor, 0), 10);
    EXPECT_EQ(line(table, 3, minor, 3), 10);
    EXPECT_EQ(line(table, 3, minor, 4), 12);
    EXPECT_EQ(line(table, 3, minor, 8), 11);
    EXPECT_EQ(line(table, 3, minor, 1'000), 11);
  }
  EXPECT_EQ(line(table, 2, 7, 8), 12 + 255);
}

TEST(PythonLines, add_up_steps_over_no_code) {
  EXPECT_EQ(line({2, 127, 0, 127, 0, 6}, 3, 8, 2), 10 + 127 + 127 + 6);
  EXPECT_EQ(line({255, 0, 45, 1}, 3, 8, 299), 10);
  EXPECT_EQ(line({255, 0, 45, 1}, 3, 8, 300), 11);
}

TEST(PythonLines, of_3_10_are_ranges_some_without_a_line) {
  const Table table = {2, 0x80, 4, 2, 6, 0xff};
  EXPECT_EQ(line(table, 3, 10, 0), std::nullopt);
  EXPECT_EQ(line(table, 3, 10, 2), 12);
  EXPECT_EQ(line(table, 3, 10, 5), 12);
  EXPECT_EQ(line(table, 3, 10, 6), 11);
  EXPECT_EQ(line(table, 3, 10, 11), 11);
  EXPECT_EQ(line(table, 3, 10, 12), std::nullopt);  // behind the end
}

TEST(PythonLines, since_3_11_come_from_every_form_of_entry) {
  const auto head = [](unsigned code, unsigned units) {
    return static_cast<std::uint8_t>(0x80U | code << 3 | (units - 1));
  };
  const Table table = {
      head(0, 1),  0x00,                          // [0, 2): 10, short
      head(11, 2), 0x01, 0x02,                    // [2, 6): 11, one line
      head(13, 1), 0x05,                          // [6, 8): -2: 9, no columns
      head(14, 8), 0x42, 0x02, 0x00, 0x01, 0x01,  // [8, 24): +65: 74, long
      head(15, 1),                                // [24, 26): none
      head(12, 1), 0x00, 0x00,                    // [26, 28): 76
  };
  for (const unsigned minor : {11U, 12U, 13U, 14U, 15U}) {
    EXPECT_EQ(line(table, 3, minor, 0), 10);
    EXPECT_EQ(line(table, 3, minor, 2), 11);
    EXPECT_EQ(line(table, 3, minor, 5), 11);
    EXPECT_EQ(line(table, 3, minor, 6), 9);
    EXPECT_EQ(line(table, 3, minor, 8), 74);
    EXPECT_EQ(line(table, 3, minor, 23), 74);
    EXPECT_EQ(line(table, 3, minor, 24), std::nullopt);
    EXPECT_EQ(line(table, 3, minor, 26), 76);
    EXPECT_EQ(line(table, 3, minor, 28), std::nullopt);
  }
}

TEST(PythonLines, of_broken_tables_are_none_or_some_line) {
  EXPECT_EQ(line({}, 3, 9, 0), 10);
  EXPECT_EQ(line({4}, 3, 9, 0), 10);  // half a pair
  EXPECT_EQ(line({}, 3, 11, 0), std::nullopt);
  EXPECT_EQ(line({0xe8}, 3, 11, 0), std::nullopt);  // cut in its varint
  EXPECT_EQ(line({0xe8, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x3f}, 3,
                 11, 0),
            std::nullopt);                                     // a number beyond all lines
  EXPECT_EQ(line({0, 0x80, 0, 0x80}, 3, 9, 0), std::nullopt);  // before line 0
}

}  // namespace
}  // namespace waggle
