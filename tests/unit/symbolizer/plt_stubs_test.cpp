// SPDX-License-Identifier: Apache-2.0
// Compared with the labels that objdump gives to stubs.
#include "symbolizer/plt_stubs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "symbolizer/module.h"
#include "tests/unit/symbolizer/fixture.h"

namespace waggle {
namespace {

using Stubs = std::map<std::uint64_t, std::string>;

// Without those that have no symbol ("*ABS*+0x9f430@plt") and the table's own first entry.
Stubs labels_of_objdump(const std::string& path) {
  Stubs stubs;
  constexpr std::string_view kEnd = "@plt>:";
  std::istringstream text(
      output_of("objdump -d -j .plt -j .plt.sec -j .plt.got " + path + " 2>/dev/null || true"));
  for (std::string line; std::getline(text, line);) {
    const std::size_t name = line.find('<') + 1;  // npos + 1 is 0
    if (name != 0 && line[name] != '*' && line.ends_with(kEnd)) {
      stubs.emplace(std::stoull(line, nullptr, 16),
                    line.substr(name, line.find('@', name) - name) + "@plt");
    }
  }
  return stubs;
}

class PltStubs : public testing::TestWithParam<std::string> {};

TEST_P(PltStubs, have_the_names_that_objdump_gives_them) {
  const std::string path = GetParam().starts_with('/') ? GetParam() : fixture(GetParam());
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << path << " is not here";
  }
  const Stubs expected = labels_of_objdump(path);
  ASSERT_FALSE(expected.empty());
  Stubs found;
  const std::vector<PltStub> stubs = read_plt_stubs(open_elf(path)).value();
  for (const PltStub& stub : stubs) {
    if (stub.name != ".plt") {
      found.emplace(stub.start, stub.name);
    }
  }
  EXPECT_EQ(found, expected);
}

INSTANTIATE_TEST_SUITE_P(Files, PltStubs,
                         testing::Values("imports_pie", "imports_no_pie", "imports_now",
                                         "imports_lazy_ibt", "imports_now_ibt", "/usr/bin/bash",
                                         "/usr/bin/perl", "/usr/bin/cmake",
                                         "/usr/lib/x86_64-linux-gnu/libz.so.1"),
                         [](const auto& instance) {
                           std::string name = std::filesystem::path(instance.param).stem();
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

TEST(PltStubs, are_named_at_each_of_their_addresses) {
  const Stubs stubs = labels_of_objdump(fixture("imports_pie"));
  ASSERT_FALSE(stubs.empty());
  const Module module = Module::load(open_for_test(fixture("imports_pie"))).value();
  const ElfFile file = open_elf(fixture("imports_pie"));
  const ElfSection* section = file.find_section(".plt");
  ASSERT_NE(section, nullptr);
  EXPECT_EQ(module.find_name(section->address), ".plt") << "the way to the dynamic linker";
  for (const auto& [address, name] : stubs) {
    EXPECT_EQ(module.find_name(address), name);
    EXPECT_EQ(module.find_name(address + 5), name);
  }
}

TEST(PltStubs, are_demangled_before_their_suffix) {
  const Module module = Module::load(open_for_test("/proc/self/exe")).value();
  bool is_found = false;
  module.symbols().for_each([&](const SymbolTable::Symbol& symbol) {
    if (symbol.name == "_ZNSsD1Ev@plt" || symbol.name == "_ZSt20__throw_length_errorPKc@plt") {
      is_found = true;
      EXPECT_EQ(module.find_name(symbol.start), symbol.name.starts_with("_ZSt")
                                                    ? "std::__throw_length_error(char const*)@plt"
                                                    : "std::string::~string()@plt");
    }
  });
  if (!is_found) {
    GTEST_SKIP() << "this program calls no function of libstdc++ through a stub";
  }
}

}  // namespace
}  // namespace waggle
