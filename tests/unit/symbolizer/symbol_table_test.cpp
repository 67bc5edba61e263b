// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/symbol_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/symbolizer/fixture.h"

namespace waggle {
namespace {

struct Row {
  std::uint64_t size;
  std::string type;
  std::string name;
};
using Rows = std::multimap<std::uint64_t, Row>;

// The defined functions and labels of `readelf -sW`, versions cut off.
Rows read_rows(const std::string& path) {
  Rows rows;
  std::istringstream text(output_of("readelf -sW " + path + " 2>/dev/null"));
  for (std::string line; std::getline(text, line);) {
    std::istringstream fields(line);
    std::string number;
    std::string value;
    std::string size;
    std::string type;
    std::string binding;
    std::string visibility;
    std::string index;
    std::string name;
    fields >> number >> value >> size >> type >> binding >> visibility >> index >> name;
    if (index == "UND" || name.empty() || (type != "FUNC" && type != "IFUNC" && type != "NOTYPE")) {
      continue;
    }
    rows.emplace(std::stoull(value, nullptr, 16),
                 Row{std::stoull(size, nullptr, 0), type, name.substr(0, name.find('@'))});
  }
  return rows;
}

bool is_stub(const SymbolTable::Symbol& symbol) {
  return symbol.name.ends_with("@plt") || symbol.name == ".plt";
}

// Every function of readelf is found at its address under one of its names, and every symbol of
// ours is in readelf's list.
void expect_agreement(const std::string& path, std::size_t at_least) {
  const Rows rows = read_rows(path);
  const SymbolTable table = read_symbols(path);
  std::size_t checked = 0;
  for (const auto& [address, row] : rows) {
    if (row.type == "NOTYPE" || row.size == 0) {
      continue;
    }
    const auto found = table.find(address);
    ASSERT_TRUE(found) << path << ": " << row.name;
    EXPECT_EQ(found->start, address) << row.name;
    const auto [first, last] = rows.equal_range(address);
    const bool is_known = std::any_of(first, last, [&](const auto& other) {
      return other.second.name == found->name && other.second.size == found->size;
    });
    EXPECT_TRUE(is_known) << found->name << " for " << row.name;
    ++checked;
  }
  EXPECT_GE(checked, at_least);
  table.for_each([&](const SymbolTable::Symbol& symbol) {
    const auto [first, last] = rows.equal_range(symbol.start);
    EXPECT_TRUE(
        is_stub(symbol) ||
        std::any_of(first, last, [&](const auto& row) { return row.second.name == symbol.name; }))
        << symbol.name;
  });
}

TEST(SymbolTable, agrees_with_readelf_on_every_kind_of_program) {
  for (const char* name : {"sample_pie", "sample_no_pie", "sample_rdynamic"}) {
    expect_agreement(fixture(name), 5);
  }
  expect_agreement(fixture("sample_static"), 1000);
  expect_agreement(fixture("sample_static_pie"), 1000);
}

TEST(SymbolTable, agrees_with_readelf_on_libc) {
  expect_agreement(output_of("ldd /bin/true | grep -o '/[^ ]*libc.so.6' | tr -d '\\n'"), 2000);
}

TEST(SymbolTable, agrees_with_readelf_on_this_program) {
  expect_agreement(std::filesystem::read_symlink("/proc/self/exe").string(), 1000);
}

std::string name_at(const SymbolTable& table, std::uint64_t address) {
  const auto found = table.find(address);
  return found ? std::string(found->name) : "(none)";
}

TEST(SymbolTable, prefers_a_plain_global_name_to_its_aliases) {
  const SymbolTable table = read_symbols(fixture("sample_pie"));
  EXPECT_TRUE(table.find_named("sample_twice"));
  EXPECT_TRUE(table.find_named("sample_local"));
  EXPECT_FALSE(table.find_named("__sample_twice"));
  EXPECT_FALSE(table.find_named("sample_alias"));
}

TEST(SymbolTable, finds_dynamic_symbols_of_a_stripped_program) {
  const SymbolTable full = read_symbols(fixture("sample_rdynamic"));
  for (const char* name : {"sample_dynsym_only", "sample_no_sections"}) {
    const SymbolTable table = read_symbols(fixture(name));
    const auto global = table.find_named("sample_global");
    ASSERT_TRUE(global) << name;
    EXPECT_EQ(global->start, full.find_named("sample_global")->start);
    EXPECT_FALSE(table.find_named("sample_local"));
  }
  EXPECT_TRUE(read_symbols(fixture("sample_no_sections_sysv")).find_named("sample_global"));
}

TEST(SymbolTable, reads_the_symbols_in_mini_debug_info) {
  const SymbolTable full = read_symbols(fixture("sample_rdynamic"));
  const SymbolTable mini = read_symbols(fixture("sample_mini_debug"));
  ASSERT_TRUE(mini.find_named("sample_local"));
  EXPECT_EQ(mini.find_named("sample_local")->start, full.find_named("sample_local")->start);
  EXPECT_EQ(mini.symbol_count(), full.symbol_count());
}

// Without stubs.
std::size_t function_count(const SymbolTable& table) {
  std::size_t count = 0;
  table.for_each([&](const SymbolTable::Symbol& symbol) { count += is_stub(symbol) ? 0 : 1; });
  return count;
}

TEST(SymbolTable, of_a_stripped_program_has_stubs_only) {
  const SymbolTable table = read_symbols(fixture("sample_stripped"));
  EXPECT_EQ(function_count(table), 0U);
  EXPECT_GT(table.symbol_count(), 0U);
}

TEST(SymbolTable, of_a_debug_file_is_that_of_its_program) {
  const SymbolTable program = read_symbols(fixture("sample_pie"));
  const SymbolTable debug = read_symbols(fixture("sample_debug"));
  EXPECT_EQ(function_count(debug), function_count(program));
  EXPECT_EQ(debug.find_named("main")->start, program.find_named("main")->start);
}

TEST(SymbolTable, gives_labels_of_assembly_what_no_function_covers) {
  const SymbolTable table = read_symbols(fixture("libsample_labels.so"));
  const std::uint64_t sized = table.find_named("sized")->start;
  EXPECT_EQ(name_at(table, sized + 2), "sized") << "a label inside names nothing";
  EXPECT_EQ(name_at(table, sized + 3), "bare_label");
  EXPECT_EQ(name_at(table, sized + 5), "bare_label") << "mapping symbols are no names";
  const std::uint64_t outer = table.find_named("outer")->start;
  EXPECT_EQ(outer, sized + 6);
  EXPECT_EQ(name_at(table, outer + 1), "outer");
  EXPECT_EQ(name_at(table, outer + 2), "nested");
  EXPECT_EQ(name_at(table, outer + 3), "outer");
  EXPECT_EQ(table.find(outer + 4)->start, outer);
  EXPECT_EQ(name_at(table, outer + 5), "in_the_end");
  EXPECT_EQ(name_at(table, outer + 6), "in_the_end");
  EXPECT_EQ(name_at(table, outer + 7), "(none)") << "the section ends";
  EXPECT_FALSE(table.find_named("data_label"));
}

TEST(SymbolTable, names_the_innermost_of_overlapping_symbols) {
  const SymbolTable table = SymbolTable::from_sorted(
      {{0, 100, "a"}, {10, 50, "b"}, {20, 30, "c"}, {25, 60, "d"}, {200, 210, "e"}});
  EXPECT_EQ(name_at(table, 5), "a");
  EXPECT_EQ(name_at(table, 15), "b");
  EXPECT_EQ(name_at(table, 22), "c");
  EXPECT_EQ(name_at(table, 27), "d");
  EXPECT_EQ(name_at(table, 55), "d");
  EXPECT_EQ(name_at(table, 60), "a");
  EXPECT_EQ(name_at(table, 99), "a");
  EXPECT_EQ(name_at(table, 100), "(none)");
  EXPECT_EQ(name_at(table, 209), "e");
  EXPECT_EQ(table.symbol_count(), 5U);
}

TEST(SymbolTable, looks_up_fast_in_a_staircase_of_nested_symbols) {
  constexpr std::uint64_t kDepth = 200'000;
  std::vector<FunctionSymbol> stairs;
  for (std::uint64_t i = 0; i < kDepth; ++i) {
    stairs.push_back({i, 10 * kDepth - i, "s"});
  }
  const SymbolTable table = SymbolTable::from_sorted(stairs);
  for (std::uint64_t i = 0; i < kDepth; ++i) {  // a walk through the nesting would take minutes
    ASSERT_EQ(table.find(10 * kDepth - 1 - i)->start, std::min(i, kDepth - 1));
  }
}

}  // namespace
}  // namespace waggle
