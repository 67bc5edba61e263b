// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/unwind_table_file.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/symbolizer/fixture.h"

namespace waggle {
namespace {

Result<UnwindTable> read(const std::string& bytes, UnwindRules& rules) {
  return read_unwind_table(std::as_bytes(std::span(bytes)), rules);
}

// Offset and rule of each row of all leaves: numbers differ.
std::vector<std::pair<std::uint16_t, std::string>> rows_of(const UnwindTable& table,
                                                           const UnwindRules& rules) {
  std::vector<std::pair<std::uint16_t, std::string>> rows;
  for (const unw_node& leaf : std::span(table.nodes()).first(table.leaf_count())) {
    for (const unw_row& row : leaf.rows) {
      const unw_rule rule = rules.at(row.rule);
      std::string bytes(sizeof(rule), '\0');
      std::memcpy(bytes.data(), &rule, sizeof(rule));
      rows.emplace_back(row.offset, std::move(bytes));
    }
  }
  return rows;
}

// What of the other nodes does not depend on the pool.
std::vector<std::pair<std::uint32_t, std::uint32_t>> branches_of(const UnwindTable& table) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> branches;
  for (const unw_node& node : std::span(table.nodes()).subspan(table.leaf_count())) {
    for (const unw_branch& branch : node.branches) {
      branches.emplace_back(branch.first_key, branch.child);
    }
  }
  return branches;
}

// Of this program, which has thousands of rows in many nodes.
class UnwindTableFile : public ::testing::Test {
 protected:
  UnwindTableFile() : table_(UnwindTable::build(open_elf("/proc/self/exe"), rules_).value()) {}

  UnwindRules rules_;
  UnwindTable table_;
};

TEST_F(UnwindTableFile, is_the_same_table_in_another_process_with_other_numbers) {
  UnwindRules others;
  unw_rule taken{};  // so that numbers differ
  taken.cfa = UNW_CFA_SP;
  taken.cfa_offset = 123456;
  taken.ra = UNW_SAVED_CFA;
  ASSERT_TRUE(others.acquire(taken));
  const auto again = read(write_unwind_table(table_, rules_), others);
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_GT(table_.nodes().size(), 10U);
  EXPECT_EQ(again->nodes().size(), table_.nodes().size());
  EXPECT_EQ(again->lowest_address(), table_.lowest_address());
  EXPECT_NE(again->rules(), table_.rules());
  EXPECT_EQ(rows_of(*again, others), rows_of(table_, rules_));
  EXPECT_EQ(branches_of(*again), branches_of(table_));
  const std::vector<std::uint32_t> numbers(table_.nodes().size(), 1);
  EXPECT_EQ(again->tree(numbers).levels, table_.tree(numbers).levels);
  EXPECT_EQ(again->facts().row_count, table_.facts().row_count);
  EXPECT_EQ(again->facts().section_bytes, table_.facts().section_bytes);
  EXPECT_EQ(again->facts().unsupported_rows, table_.facts().unsupported_rows);
}

TEST_F(UnwindTableFile, that_is_damaged_or_cut_is_refused_and_takes_no_rule) {
  const std::string whole = write_unwind_table(table_, rules_);
  UnwindRules others;
  const std::size_t before = others.size();
  for (std::size_t at = 0; at < whole.size(); at += at < 100 ? 1 : 997) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(read(damaged, others)) << at;
    EXPECT_FALSE(read(whole.substr(0, at), others)) << at;
  }
  EXPECT_FALSE(read(whole + '\0', others));
  EXPECT_EQ(others.size(), before);
}

}  // namespace
}  // namespace waggle
