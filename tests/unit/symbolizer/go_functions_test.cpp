// SPDX-License-Identifier: Apache-2.0
// Go's table of functions as bytes say it; that of a real program:
// tests/e2e/unwind/go_table_test.cpp.
#include "symbolizer/go_functions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "symbolizer/symbol_table.h"
#include "tests/unit/symbolizer/go_table_builder.h"

namespace waggle {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Result<GoFunctions> read_table(const GoTableSpec& spec) {
  return GoFunctions::read(make_elf({.go_table = make_go_table(spec)}));
}

std::string problem_of(const GoTableSpec& spec) {
  const auto go = read_table(spec);
  return go ? "" : go.error().what;
}

TEST(GoFunctions, have_names_and_places) {
  const GoFunctions go = read_table({}).value();
  ASSERT_EQ(go.functions().size(), 2U);
  EXPECT_EQ(go.functions()[0].name, "main.main");
  EXPECT_EQ(go.functions()[0].start, kCode);
  EXPECT_EQ(go.functions()[0].end, kCode + 0x40);
  EXPECT_EQ(go.functions()[1].name, "main.burn");
  EXPECT_EQ(go.functions()[1].end, kCode + 0x80);
}

TEST(GoFunctions, have_the_size_of_the_stack_at_each_instruction) {
  const ElfFile file = make_elf({.go_table = make_go_table({})});
  auto info = CallFrameInfo::read(file).value();
  const std::string leaf = "sp+8 ra=cfa-8";
  EXPECT_THAT(rows_of(info),
              ElementsAre(Pair(kCode, leaf), Pair(kCode + 4, "sp+24 fp=cfa-16 ra=cfa-8"),
                          Pair(kCode + 0x30, leaf), Pair(kCode + 0x40, leaf),
                          Pair(kCode + 0x80, "frame pointer")));
}

TEST(GoFunctions, name_a_file_that_was_stripped) {
  std::optional<Error> problem;
  const SymbolTable symbols =
      SymbolTable::read(make_elf({.go_table = make_go_table({})}), &problem);
  EXPECT_FALSE(problem);
  EXPECT_EQ(symbols.find(kCode + 0x41)->name, "main.burn");
}

TEST(GoFunctions, of_other_versions_and_processors_are_not_read) {
  EXPECT_THAT(problem_of({.magic = 0xfffffffb}), HasSubstr("before 1.18"));
  EXPECT_THAT(problem_of({.word_bytes = 4}), HasSubstr("another processor"));
  EXPECT_EQ(read_table({.magic = 0xfffffff0}).value().functions().size(), 2U);
}

TEST(GoFunctions, that_are_malformed_are_refused) {
  EXPECT_THAT(problem_of({.function_count = std::uint64_t{1} << 61}), HasSubstr("the header"));
  EXPECT_THAT(problem_of({.function_count = 4}), HasSubstr("gopclntab"));
  EXPECT_THAT(problem_of({.name = 0xffffff}), HasSubstr("name"));
  EXPECT_THAT(problem_of({.record = 0xffffff}), HasSubstr("a function"));
  EXPECT_THAT(problem_of({.second_start = 0x100}), HasSubstr("a function"));  // it ends before
  EXPECT_THAT(problem_of({.text_start = 0x10}), HasSubstr("no function"));
}

TEST(GoFunctions, whose_stack_sizes_are_malformed_have_no_rows) {
  const std::vector<std::vector<std::byte>> broken = {
      ByteWriter{0x15, 0x10}.bytes(),  // above the return address
      ByteWriter{0x02, 0x00}.bytes(),  // for no byte of code
      ByteWriter().u8({2, 4}).uleb(~std::uint64_t{0}).u8({1}).bytes()};
  for (const auto& sizes : broken) {
    const GoFunctions go = read_table({.stack_sizes = sizes}).value();
    std::vector<CfiRow> rows;
    EXPECT_FALSE(go.read_rows(go.functions()[0], rows));
    EXPECT_TRUE(rows.empty());
  }
}

}  // namespace
}  // namespace waggle
