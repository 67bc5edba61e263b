// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/perf_map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace waggle {
namespace {

std::string name_at(const PerfMap& map, std::uint64_t address) {
  const auto found = map.find(address);
  return found ? std::string(found->name) : "(none)";
}

TEST(PerfMap, reads_names_with_blanks_and_both_spellings_of_numbers) {
  const PerfMap map = PerfMap::parse(
      "7f00 10 LazyCompile:~main /srv/a b.js:1\n"
      "0x8000 0x20 void Foo::bar(int)\r\n"
      "9000 1 last");
  EXPECT_EQ(name_at(map, 0x7f0f), "LazyCompile:~main /srv/a b.js:1");
  EXPECT_EQ(name_at(map, 0x7f10), "(none)");
  EXPECT_EQ(name_at(map, 0x8000), "void Foo::bar(int)");
  EXPECT_EQ(name_at(map, 0x9000), "last");
  EXPECT_EQ(map.broken_line_count(), 0U);
}

TEST(PerfMap, lets_a_later_line_replace_all_that_it_overlaps) {
  const PerfMap map = PerfMap::parse("100 100 a\n200 100 b\n300 100 c\n180 100 d\n");
  EXPECT_EQ(name_at(map, 0x100), "(none)") << "the code of a is gone";
  EXPECT_EQ(name_at(map, 0x180), "d");
  EXPECT_EQ(name_at(map, 0x27f), "d");
  EXPECT_EQ(name_at(map, 0x280), "(none)");
  EXPECT_EQ(name_at(map, 0x300), "c");
  EXPECT_EQ(map.symbol_count(), 2U);
}

TEST(PerfMap, counts_broken_lines_and_goes_on) {
  const PerfMap map = PerfMap::parse(
      "\nno\n100\n100 10\n100 10 \nxyz 10 a\n100 -1 a\n100 0 empty\n"
      "ffffffffffffffff 2 wraps\n100 10 good\n");
  EXPECT_EQ(map.broken_line_count(), 8U);
  EXPECT_EQ(name_at(map, 0x100), "good");
}

TEST(PerfMap, cuts_long_names) {
  const PerfMap map = PerfMap::parse("100 10 " + std::string(5000, 'x') + "\n200 10 b\n");
  EXPECT_EQ(name_at(map, 0x100), std::string(1024, 'x'));
  EXPECT_EQ(name_at(map, 0x200), "b");
}

TEST(PerfMap, says_when_a_limit_left_lines_unread) {
  std::string text;
  for (unsigned i = 1; i < 300'000; ++i) {
    text += std::to_string(10'000'000 + i) + " 1 f\n";
  }
  const PerfMap map = PerfMap::parse(text);
  EXPECT_TRUE(map.is_cut());
  EXPECT_EQ(map.symbol_count(), 1U << 18);
  EXPECT_FALSE(PerfMap::parse("100 10 a\n").is_cut());
}

}  // namespace
}  // namespace waggle
