// SPDX-License-Identifier: Apache-2.0
// Go's own table of functions says the same as the symbols and the call frame information of the
// same program.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/file.h"
#include "symbolizer/eh_frame.h"
#include "symbolizer/go_functions.h"
#include "symbolizer/symbol_table.h"
#include "tests/e2e/unwind/stacks.h"

namespace waggle {
namespace {

ElfFile open_program(const std::string& name) {
  return ElfFile::open(open_file(built(name), O_RDONLY).value()).value();
}

// "sp 24" or "end", by address.
std::string text_of(const unw_rule& rule) {
  return rule.cfa == UNW_CFA_SP    ? "sp " + std::to_string(rule.cfa_offset)
         : rule.cfa == UNW_CFA_END ? "end"
                                   : "cfa " + std::to_string(rule.cfa);
}

const std::string kPadding = "cfa " + std::to_string(UNW_CFA_FRAME_POINTER);

// What holds at each address where a row begins; neighbours with equal rules are one.
using Rows = std::map<std::uint64_t, std::string>;
void add_rows(std::span<const CfiRow> rows, Rows& to) {
  const std::string* last = nullptr;
  for (const CfiRow& row : rows) {
    const std::string text = text_of(row.rule);
    if (last == nullptr || *last != text) {
      last = &(to[row.address] = text);
    }
  }
}

class GoTable : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!is_built("gopher")) {
      GTEST_SKIP() << "no go when the tests were built";
    }
  }
};

TEST_F(GoTable, has_the_rows_of_the_call_frame_information) {
  const ElfFile file = open_program("gopher");
  CallFrameInfo info = CallFrameInfo::read(file, {.puts_go_right = false}).value();
  Rows all;
  info.visit_rows([&](std::span<const CfiRow> rows) {
    for (const CfiRow& row : rows) {
      all[row.address] = text_of(row.rule);
    }
    return true;
  });
  const GoFunctions go = GoFunctions::read(file).value();
  EXPECT_GT(go.functions().size(), 1000U);
  std::vector<CfiRow> rows;
  std::size_t compared = 0;
  std::size_t different = 0;
  for (const GoFunctions::Function& function : go.functions()) {
    if (!go.read_rows(function, rows)) {
      ADD_FAILURE() << function.name << " has no rows";
      continue;
    }
    const auto begin = all.find(function.start);
    if (begin == all.end()) {
      continue;  // without call frame information
    }
    Rows ours;
    add_rows(rows, ours);
    Rows theirs;
    std::string last;
    for (auto at = begin; at != all.end() && at->first < function.end; ++at) {
      if (at->second != last && at->second != kPadding) {
        last = theirs[at->first] = at->second;
      }
    }
    ++compared;
    if (ours != theirs && ++different <= 5) {
      ADD_FAILURE() << function.name << ": " << ::testing::PrintToString(ours) << " but "
                    << ::testing::PrintToString(theirs);
    }
  }
  EXPECT_GT(compared, 1000U);
  EXPECT_EQ(different, 0U) << "of " << compared;
}

TEST_F(GoTable, has_the_names_of_the_symbols) {
  const ElfFile file = open_program("gopher");
  std::optional<Error> problem;
  const SymbolTable symbols = SymbolTable::read(file, &problem);
  ASSERT_FALSE(problem);
  const GoFunctions go = GoFunctions::read(file).value();
  std::size_t compared = 0;
  for (const GoFunctions::Function& function : go.functions()) {
    const auto symbol = symbols.find(function.start);
    ASSERT_TRUE(symbol) << function.name;
    EXPECT_EQ(symbol->start, function.start) << function.name;
    // The linker's names of assembly functions have an end, and "type:" ones another dot.
    if (!function.name.starts_with("type:")) {
      EXPECT_EQ(symbol->name.substr(0, symbol->name.find(".abi0")), function.name);
    }
    ++compared;
  }
  EXPECT_GT(compared, 1000U);
}

TEST_F(GoTable, is_enough_for_names_where_all_else_is_stripped) {
  for (const char* program : {"gopher_stripped", "gopher_pie", "gopher_linked"}) {
    std::optional<Error> problem;
    const SymbolTable symbols = SymbolTable::read(open_program(program), &problem);
    EXPECT_FALSE(problem) << problem->what;
    for (const char* name : {"main.main", "main.descend", "main.burn", "runtime.systemstack"}) {
      EXPECT_TRUE(symbols.find_named(name)) << program << " " << name;
    }
  }
}

}  // namespace
}  // namespace waggle
