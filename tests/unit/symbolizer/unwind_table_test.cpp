// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "symbolizer/vdso.h"
#include "tests/unit/symbolizer/cfi_builder.h"
#include "tests/unit/symbolizer/fixture.h"

namespace waggle {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

unw_rule sp_rule(std::int32_t offset) {
  unw_rule rule = fixed_rule(UNW_CFA_SP);
  rule.cfa_offset = offset;
  rule.ra = UNW_SAVED_CFA;
  rule.ra_offset = -8;
  return rule;
}

// Steps of `step` bytes from 0 on, no two neighbours alike.
std::vector<CfiRow> many_rows(std::size_t count, std::uint64_t step, int distinct = 3) {
  std::vector<CfiRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.push_back(
        {i * step, sp_rule(8 + 8 * static_cast<int>(i % static_cast<unsigned>(distinct)))});
  }
  return rows;
}

UnwindTable table_of(const std::vector<CfiRow>& rows, UnwindRules& rules,
                     std::uint64_t lowest_address = 0) {
  auto table = UnwindTable::from_rows(rows, lowest_address, rules);
  EXPECT_TRUE(table) << table.error().what;
  return *std::move(table);
}

// The table at scattered numbers of a pool, and searched there step by step: the last row or branch
// with a key that is not above.
class Pool {
 public:
  explicit Pool(const UnwindTable& table) {
    std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same numbers in every run
    std::vector<std::uint32_t> numbers(table.nodes().size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = static_cast<std::uint32_t>(3 * i + 1);
    }
    std::ranges::shuffle(numbers, random);
    nodes_.resize(3 * numbers.size() + 1);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      table.copy_node(i, numbers, nodes_[numbers[i]]);
    }
    tree_ = table.tree(numbers);
  }

  [[nodiscard]] std::uint16_t rule_at(std::uint32_t key) const {
    const unw_node* node = &nodes_.at(tree_.root);
    std::uint32_t first_key = 0;
    for (std::uint32_t level = 0; level < tree_.levels; ++level) {
      const unw_branch* branch = last_below(node->branches, UNW_BRANCHES_PER_NODE,
                                            [&](auto& b) { return b.first_key <= key; });
      first_key = branch->first_key;
      node = &nodes_.at(branch->child);
    }
    return last_below(node->rows, UNW_ROWS_PER_LEAF,
                      [&](auto& r) { return r.offset <= key - first_key; })
        ->rule;
  }
  [[nodiscard]] std::uint32_t levels() const { return tree_.levels; }

 private:
  template <class T, class IsBelow>
  static const T* last_below(const T* items, std::size_t count, IsBelow is_below) {
    const T* found = items;
    for (const T* item = items; item != items + count; ++item) {
      found = is_below(*item) ? item : found;
    }
    return found;
  }

  std::vector<unw_node> nodes_;
  unw_tree tree_{};
};

// Asked at each row, before it and in its middle.
void expect_lookups(const std::vector<CfiRow>& rows, const UnwindTable& table,
                    const UnwindRules& rules) {
  const Pool pool(table);
  const auto text_at = [&](std::uint64_t address) {
    return rule_text(
        rules.at(pool.rule_at(static_cast<std::uint32_t>(address - table.lowest_address()))));
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string expected = rule_text(rows[i].rule);
    ASSERT_EQ(text_at(rows[i].address), expected) << i;
    if (i + 1 < rows.size()) {
      ASSERT_EQ(text_at(rows[i + 1].address - 1), expected) << i;
      ASSERT_EQ(text_at((rows[i].address + rows[i + 1].address) / 2), expected) << i;
    }
  }
}

TEST(UnwindRules, has_its_fixed_rules_from_the_start) {
  UnwindRules rules;
  EXPECT_EQ(rules.size(), std::size_t{UNW_FIXED_RULES});
  EXPECT_EQ(rules.at(UNW_RULE_FRAME_POINTER).cfa, UNW_CFA_FRAME_POINTER);
  EXPECT_EQ(rules.at(UNW_RULE_UNSUPPORTED).cfa, UNW_CFA_UNSUPPORTED);
  EXPECT_EQ(rules.at(UNW_RULE_END).cfa, UNW_CFA_END);
  EXPECT_EQ(rules.acquire(unw_rule{}), UNW_RULE_FRAME_POINTER);  // all zeroes
}

TEST(UnwindRules, gives_equal_rules_one_number_until_the_last_user_is_gone) {
  UnwindRules rules;
  const auto first = rules.acquire(sp_rule(16));
  const auto other = rules.acquire(sp_rule(24));
  ASSERT_TRUE(first && other);
  EXPECT_EQ(*first, UNW_FIXED_RULES);
  EXPECT_EQ(rules.acquire(sp_rule(16)), first);
  EXPECT_NE(first, other);
  rules.release(std::vector{*first});
  EXPECT_EQ(rules.acquire(sp_rule(16)), first);  // still there
  rules.release(std::vector{*first, *first});
  EXPECT_EQ(rules.size(), std::size_t{UNW_FIXED_RULES} + 1);
  EXPECT_EQ(rules.acquire(sp_rule(40)), first);  // the number again
  EXPECT_EQ(rules.at(*first).cfa_offset, 40);
}

TEST(UnwindRules, refuses_and_counts_when_full) {
  UnwindRules rules(UNW_FIXED_RULES + 1);
  const auto only = rules.acquire(sp_rule(16));
  ASSERT_TRUE(only);
  EXPECT_FALSE(rules.acquire(sp_rule(24)));
  EXPECT_TRUE(rules.acquire(sp_rule(16)));
  EXPECT_EQ(rules.refused_count(), 1U);
  rules.release(std::vector{*only, *only});
  EXPECT_TRUE(rules.acquire(sp_rule(24)));
}

TEST(UnwindRules, tells_rules_apart_by_every_field) {
  UnwindRules rules;
  std::set<std::uint16_t> numbers;
  unw_rule rule = sp_rule(16);
  numbers.insert(rules.acquire(rule).value());
  const auto change = [&](auto unw_rule::* field) {
    unw_rule changed = rule;
    changed.*field = 5;
    numbers.insert(rules.acquire(changed).value());
  };
  change(&unw_rule::cfa_offset);
  change(&unw_rule::cfa_addend);
  change(&unw_rule::fp_offset);
  change(&unw_rule::ra_offset);
  change(&unw_rule::cfa);
  change(&unw_rule::fp);
  change(&unw_rule::ra);
  change(&unw_rule::other_register);
  change(&unw_rule::is_signal_frame);
  change(&unw_rule::spare);
  EXPECT_EQ(numbers.size(), 11U);
}

// The spare register is followed in the files that need it, and in no other.
TEST(UnwindTable, says_where_rbx_is_if_a_rule_of_the_file_names_it) {
  const auto spares_of = [](const ByteWriter& instructions) {
    UnwindRules rules;
    const ElfFile file =
        make_elf({.eh_frame = CfiBuilder()
                                  .cie()
                                  .fde(kCode, 0x100, instructions)
                                  .fde(kCode + 0x100, 0x100,
                                       join(cfi::def_cfa_offset(16), cfi::offset(kRbx, 2)))
                                  .bytes()});
    const UnwindTable table = UnwindTable::build(file, rules).value();
    std::vector<int> spares;
    for (const std::uint16_t number : table.rules()) {
      spares.push_back(rules.at(number).spare);
    }
    return spares;
  };
  EXPECT_THAT(spares_of(cfi::def_cfa(kRbx, 24)), UnorderedElementsAre(UNW_SPARE_KEPT, 2));
  EXPECT_THAT(spares_of(cfi::def_cfa(kR10, 24)),
              UnorderedElementsAre(UNW_SPARE_UNKNOWN, UNW_SPARE_UNKNOWN));
}

TEST(UnwindTable, is_one_leaf_for_a_small_file) {
  UnwindRules rules;
  const std::vector<CfiRow> rows = {{0x1000, fixed_rule(UNW_CFA_FRAME_POINTER)},
                                    {0x1010, sp_rule(8)},
                                    {0x1012, sp_rule(16)},
                                    {0x1100, fixed_rule(UNW_CFA_END)}};
  const UnwindTable table = table_of(rows, rules, 0x1000);
  ASSERT_EQ(table.nodes().size(), 1U);
  EXPECT_EQ(table.leaf_count(), 1U);
  EXPECT_EQ(table.tree(std::vector<std::uint32_t>{7}).root, 7U);
  EXPECT_EQ(table.tree(std::vector<std::uint32_t>{7}).levels, 0U);
  EXPECT_EQ(table.facts().row_count, 4U);
  EXPECT_THAT(table.rules(), UnorderedElementsAre(UNW_FIXED_RULES, UNW_FIXED_RULES + 1));
  const unw_row* leaf = table.nodes()[0].rows;
  EXPECT_EQ(leaf[1].offset, 0x10);
  EXPECT_EQ(leaf[3].rule, UNW_RULE_END);
  for (std::size_t i = 4; i < UNW_ROWS_PER_LEAF; ++i) {
    EXPECT_EQ(leaf[i].offset, leaf[3].offset);
    EXPECT_EQ(leaf[i].rule, leaf[3].rule);
  }
  expect_lookups(rows, table, rules);
}

TEST(UnwindTable, joins_neighbours_with_equal_rules) {
  UnwindRules rules;
  const UnwindTable table =
      table_of({{0, sp_rule(8)}, {4, sp_rule(8)}, {8, sp_rule(16)}, {12, sp_rule(16)}}, rules);
  EXPECT_EQ(table.facts().row_count, 2U);
}

TEST(UnwindTable, cuts_leaves_where_their_rows_or_their_span_end) {
  UnwindRules rules;
  EXPECT_EQ(table_of(many_rows(256, 1), rules).leaf_count(), 1U);
  EXPECT_EQ(table_of(many_rows(257, 1), rules).leaf_count(), 2U);
  EXPECT_EQ(table_of({{0, sp_rule(8)}, {0xffff, sp_rule(16)}}, rules).leaf_count(), 1U);
  EXPECT_EQ(table_of({{0, sp_rule(8)}, {0x10000, sp_rule(16)}}, rules).leaf_count(), 2U);
  // A last row that holds for more than a leaf can span.
  const std::vector<CfiRow> rows = {
      {0, sp_rule(8)}, {16, sp_rule(16)}, {0x90000000, sp_rule(24)}, {0xffffffff, sp_rule(32)}};
  expect_lookups(rows, table_of(rows, rules), rules);
}

TEST(UnwindTable, finds_every_row_through_every_number_of_levels) {
  UnwindRules rules;
  const auto check = [&](std::size_t count, std::uint64_t step, std::uint32_t levels) {
    const std::vector<CfiRow> rows = many_rows(count, step);
    const UnwindTable table = table_of(rows, rules);
    EXPECT_EQ(Pool(table).levels(), levels);
    expect_lookups(rows, table, rules);
  };
  check(1, 1, 0);
  check(256, 7, 0);
  check(257, 7, 1);
  check(std::size_t{128} * 256, 2, 1);
  check(std::size_t{128} * 256 + 1, 2, 2);
  check(std::size_t{3000}, 0x10000, 2);  // a leaf for each row
}

TEST(UnwindTable, reaches_the_third_level) {
  UnwindRules rules;
  const std::vector<CfiRow> rows = many_rows(std::size_t{128} * 128 + 1, 0x10000);
  const UnwindTable table = table_of(rows, rules);
  const Pool pool(table);
  EXPECT_EQ(pool.levels(), std::uint32_t{UNW_MAX_LEVELS});
  for (const std::size_t i :
       {std::size_t{0}, std::size_t{127}, std::size_t{128}, rows.size() - 1}) {
    EXPECT_EQ(rule_text(rules.at(pool.rule_at(static_cast<std::uint32_t>(rows[i].address)))),
              rule_text(rows[i].rule));
  }
}

TEST(UnwindTable, refuses_more_than_64_MiB_and_gives_its_rules_back) {
  UnwindRules rules;
  const auto table = UnwindTable::from_rows(many_rows(65537, 0xffff, 1000), 0, rules);
  ASSERT_TRUE(table);  // that is 65,537 rows, of which a leaf holds two
  rules.release(table->rules());
  EXPECT_EQ(rules.size(), std::size_t{UNW_FIXED_RULES});
  const std::vector<CfiRow> rows = many_rows(std::size_t{65536} * 256 + 1, 1, 1000);
  const auto refused = UnwindTable::from_rows(rows, 0, rules);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::exhausted);
  EXPECT_EQ(rules.size(), std::size_t{UNW_FIXED_RULES});
}

TEST(UnwindTable, refuses_rows_that_do_not_begin_at_the_lowest_address) {
  UnwindRules rules;
  EXPECT_FALSE(UnwindTable::from_rows({}, 0, rules));
  const std::vector<CfiRow> late = {{16, sp_rule(8)}};
  EXPECT_FALSE(UnwindTable::from_rows(late, 0, rules));
  EXPECT_EQ(rules.size(), std::size_t{UNW_FIXED_RULES});
}

TEST(UnwindTable, walks_by_frame_pointer_where_the_rules_are_full) {
  UnwindRules rules(UNW_FIXED_RULES + 2);
  const UnwindTable table = table_of({{0, sp_rule(8)},
                                      {1, sp_rule(16)},
                                      {2, sp_rule(24)},
                                      {3, sp_rule(32)},
                                      {4, sp_rule(8)},
                                      {5, sp_rule(24)}},
                                     rules);
  EXPECT_EQ(table.facts().row_count, 5U);  // 24 and 32 are one now
  EXPECT_EQ(table.facts().refused_rows, 3U);
  EXPECT_EQ(rules.refused_count(), 2U);
  const Pool pool(table);
  EXPECT_EQ(pool.rule_at(1), UNW_FIXED_RULES + 1);
  EXPECT_EQ(pool.rule_at(2), UNW_RULE_FRAME_POINTER);
  EXPECT_EQ(pool.rule_at(3), UNW_RULE_FRAME_POINTER);
  EXPECT_EQ(pool.rule_at(4), UNW_FIXED_RULES);
  EXPECT_EQ(pool.rule_at(5), UNW_RULE_FRAME_POINTER);
}

TEST(UnwindTable, shares_rules_between_files_and_frees_those_of_the_last) {
  UnwindRules rules;
  const UnwindTable a = table_of({{0, sp_rule(8)}, {1, sp_rule(16)}}, rules);
  const UnwindTable b = table_of({{0, sp_rule(16)}, {1, sp_rule(24)}}, rules);
  EXPECT_EQ(rules.size(), std::size_t{UNW_FIXED_RULES} + 3);
  rules.release(a.rules());
  EXPECT_EQ(rules.size(), std::size_t{UNW_FIXED_RULES} + 2);
  expect_lookups({{0, sp_rule(16)}, {1, sp_rule(24)}}, b, rules);
  rules.release(b.rules());
  EXPECT_EQ(rules.size(), std::size_t{UNW_FIXED_RULES});
}

TEST(UnwindTable, is_built_from_a_file_with_its_facts) {
  UnwindRules rules;
  const ElfFile file = make_elf({.eh_frame = CfiBuilder()
                                                 .cie()
                                                 .fde(kCode + 0x20, 0x20, {0x3f})  // malformed
                                                 .fde(kCode + 0x40, 0x20)
                                                 .fde(1, 0x20)  // outside
                                                 .bytes()});
  const auto table = UnwindTable::build(file, rules);
  ASSERT_TRUE(table) << table.error().what;
  EXPECT_EQ(table->lowest_address(), kCode);
  EXPECT_EQ(table->facts().function_count, 2U);
  EXPECT_EQ(table->facts().row_count, 4U);
  EXPECT_EQ(table->facts().unsupported_rows, 1U);
  EXPECT_EQ(table->facts().malformed_functions, 1U);
  EXPECT_EQ(table->facts().outside_functions, 1U);
  EXPECT_GT(table->facts().section_bytes, 0U);
  EXPECT_FALSE(UnwindTable::build(make_elf({}), rules));
}

// Each row of the reader is found in the table, and no other.
TEST(UnwindTable, says_of_a_library_what_its_reader_says) {
  UnwindRules rules;
  for (const std::string& path :
       {fixture("sample_static"), std::filesystem::read_symlink("/proc/self/exe").string()}) {
    const ElfFile file = open_elf(path);
    const auto table = UnwindTable::build(file, rules);
    ASSERT_TRUE(table) << table.error().what;
    const bool follows_spare = std::ranges::any_of(table->rules(), [&](std::uint16_t number) {
      return rules.at(number).spare != UNW_SPARE_UNKNOWN;
    });
    auto info = CallFrameInfo::read(file, {.follows_spare = follows_spare});
    ASSERT_TRUE(info);
    std::vector<CfiRow> rows;
    info->visit_rows([&](std::span<const CfiRow> part) {
      rows.insert(rows.end(), part.begin(), part.end());
      return true;
    });
    expect_lookups(rows, *table, rules);
  }
}

// Code as compilers make it; sanitizers' has so few rows that the span ends its leaves.
TEST(UnwindTable, takes_five_bytes_a_row_at_most) {
  UnwindRules rules;
  const auto table = UnwindTable::build(open_elf(fixture("sample_static")), rules);
  ASSERT_TRUE(table) << table.error().what;
  EXPECT_LE(table->nodes().size() * sizeof(unw_node), table->facts().row_count * 5);
}

TEST(UnwindTable, is_built_from_the_vdso) {
  auto bytes = read_vdso();
  if (!bytes) {
    GTEST_SKIP() << bytes.error().what;
  }
  UnwindRules rules;
  const auto table = UnwindTable::build(ElfFile::from_bytes(*std::move(bytes)).value(), rules);
  ASSERT_TRUE(table) << table.error().what;
  EXPECT_GT(table->facts().function_count, 2U);
  EXPECT_EQ(table->facts().malformed_functions, 0U);
  EXPECT_EQ(table->facts().unsupported_rows, 0U);
}

}  // namespace
}  // namespace waggle
