// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/module.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/unit/symbolizer/fixture.h"

namespace waggle {

// In this file for its mangled name.
[[gnu::noinline]] std::uint64_t address_in_this_program(int) {
  return reinterpret_cast<std::uint64_t>(__builtin_return_address(0));
}

namespace {

TEST(Module, gives_demangled_names) {
  const Module module = Module::load(open_for_test("/proc/self/exe")).value();
  const auto symbol = module.symbols().find_named("_ZN6waggle23address_in_this_programEi");
  ASSERT_TRUE(symbol);
  EXPECT_EQ(module.find_name(symbol->start + 1), "waggle::address_in_this_program(int)");
  EXPECT_EQ(module.find_name(symbol->start), "waggle::address_in_this_program(int)");
  EXPECT_FALSE(module.find_name(0));
}

// As a sample is resolved: address, mapping, offset in the file, address in the file, name.
TEST(Module, names_a_running_function_through_its_mapping) {
  const std::uint64_t address = address_in_this_program(0);
  const std::string maps = read_file("/proc/self/maps", 1 << 20).value();
  const Module module = Module::load(open_for_test("/proc/self/exe")).value();
  std::string name = "(no mapping)";
  for (std::size_t at = 0; at < maps.size(); at = maps.find('\n', at) + 1) {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t offset = 0;
    ASSERT_EQ(std::sscanf(maps.c_str() + at, "%lx-%lx %*s %lx", &start, &end, &offset), 3);
    if (start <= address && address < end) {
      const auto in_file = module.address_of_offset(address - start + offset);
      ASSERT_TRUE(in_file);
      name = module.find_name(*in_file).value_or("(no name)");
    }
  }
  EXPECT_NE(name.find("names_a_running_function_through_its_mapping"), std::string::npos) << name;
}

TEST(Module, without_symbols_finds_no_names) {
  const Module module = Module::load(open_for_test(fixture("sample_stripped"))).value();
  EXPECT_EQ(module.build_id().size(), 40U);
  EXPECT_FALSE(module.find_name(0x1139));
  EXPECT_TRUE(module.address_of_offset(0x40));
  EXPECT_FALSE(module.problem());
}

TEST(Module, that_is_no_elf_file_fails) {
  EXPECT_EQ(Module::load(open_for_test(FIXTURE_SOURCE)).error().code, Errc::malformed);
}

}  // namespace
}  // namespace waggle
