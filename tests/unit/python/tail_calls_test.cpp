// SPDX-License-Identifier: Apache-2.0
// A file in the shape of a tail-call interpreter (fixtures/tail_call.c), with its symbols and
// without.  No real one is to be had here.
#include "userspace/runtimes/python/tail_calls.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "symbolizer/elf_symbols.h"
#include "userspace/runtimes/python/python_file.h"

namespace waggle {
namespace {

ElfFile open_fixture(const std::string& name) {
  return ElfFile::open(open_file(std::string(FIXTURE_DIR) + "/" + name, O_RDONLY).value()).value();
}

std::map<std::string, std::uint64_t> symbols_of(const ElfFile& file) {
  std::map<std::string, std::uint64_t> symbols;
  EXPECT_TRUE(visit_symbols(
      file, [&](const ElfSymbol& symbol) { symbols[std::string(symbol.name)] = symbol.address; }));
  return symbols;
}

bool is_in(const std::vector<py_range>& ranges, std::uint64_t address) {
  return std::ranges::any_of(
      ranges, [&](const py_range& range) { return address >= range.start && address < range.end; });
}

class TailCalls : public ::testing::TestWithParam<const char*> {};

TEST_P(TailCalls, are_the_loop_and_their_caller_is_not) {
  const std::string name = GetParam();
  const auto symbols = symbols_of(open_fixture(name));
  for (const std::string& variant : {name, name + "_stripped"}) {
    SCOPED_TRACE(variant);
    const auto python = inspect_python_file(open_fixture(variant));
    ASSERT_TRUE(python) << python.error().what;
    ASSERT_TRUE(*python);
    const EvaluationLoop& loop = (*python)->loop;
    std::size_t count = 0;
    for (const auto& [symbol, address] : symbols) {
      if (is_tail_call_part(symbol)) {
        ++count;
        EXPECT_TRUE(is_in(loop.parts, address)) << symbol;
      }
    }
    EXPECT_EQ(count, 202U);
    const std::uint64_t caller = symbols.at("_PyEval_EvalFrameDefault");
    EXPECT_FALSE(is_in(loop.parts, caller));
    EXPECT_EQ(loop.entry.start, caller);
    EXPECT_GT(loop.entry.end, caller);
  }
}

INSTANTIATE_TEST_SUITE_P(Linked, TailCalls,
                         ::testing::Values("tail_call_shared", "tail_call_fixed"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(OtherPrograms, have_no_tail_call_table) {
  const ElfFile self = ElfFile::open(open_file("/proc/self/exe", O_RDONLY).value()).value();
  EXPECT_TRUE(find_tail_call_functions(self, CodeFunctions(self)).empty());
}

}  // namespace
}  // namespace waggle
