// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/kernel_symbols.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <string>

#include "base/file.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

Result<KernelSymbols> load_text(const std::string& text) {
  const TempDir dir;
  EXPECT_TRUE(write_file_atomically(dir.path() + "/kallsyms", text));
  return KernelSymbols::load_path(dir.path() + "/kallsyms");
}

TEST(KernelSymbols, names_kernel_module_and_bpf_functions) {
  const KernelSymbols symbols = load_text(
                                    "0000000000000000 A fixed_percpu_data\n"
                                    "ffffffff81000000 T _text\n"
                                    "ffffffff81000100 t local_name\n"
                                    "ffffffff81000100 T do_work\n"
                                    "ffffffff81000100 T do_work_too\n"
                                    "ffffffff81000180 D some_data\n"
                                    "ffffffffc0a01000 t nf_hook\t[nf_tables]\n"
                                    "ffffffffc0b01000 t bpf_prog_1a2b_cpu_on_tick\t[bpf]\n")
                                    .value();
  EXPECT_EQ(symbols.find(0xffffffff81000000)->name, "_text");
  EXPECT_EQ(symbols.find(0xffffffff81000000)->module, "");
  EXPECT_EQ(symbols.find(0xffffffff81000190)->name, "do_work") << "data is no code";
  EXPECT_EQ(symbols.find(0xffffffffc0a01005)->name, "nf_hook");
  EXPECT_EQ(symbols.find(0xffffffffc0a01005)->module, "nf_tables");
  EXPECT_EQ(symbols.find(0xffffffffc0b01000)->module, "bpf");
  EXPECT_FALSE(symbols.find(0xffffffff80ffffff));
  EXPECT_FALSE(symbols.find(0x401000));
  EXPECT_EQ(symbols.symbol_count(), 4U);
}

TEST(KernelSymbols, says_that_addresses_are_hidden_and_what_to_do) {
  const auto symbols = load_text("0000000000000000 T _text\n0000000000000000 T do_work\n");
  ASSERT_FALSE(symbols);
  EXPECT_EQ(symbols.error().code, Errc::permission);
  EXPECT_NE(symbols.error().what.find("kptr_restrict"), std::string::npos);
}

TEST(KernelSymbols, refuses_text_that_is_no_kallsyms) {
  EXPECT_EQ(load_text("").error().code, Errc::malformed);
  EXPECT_EQ(load_text("hello\n").error().code, Errc::malformed);
  EXPECT_EQ(load_text(std::string(1 << 20, 'f')).error().code, Errc::malformed);
  EXPECT_EQ(KernelSymbols::load_path("/nonexistent").error().code, Errc::not_found);
}

TEST(KernelSymbols, agrees_with_every_line_of_this_kernel) {
  const auto symbols = KernelSymbols::load_path();
  if (!symbols && symbols.error().code == Errc::permission) {
    GTEST_SKIP() << symbols.error().what;
  }
  ASSERT_TRUE(symbols) << symbols.error().what;
  std::istringstream text(read_file("/proc/kallsyms", 256 << 20).value());
  std::size_t checked = 0;
  for (std::string line; std::getline(text, line);) {
    std::istringstream fields(line);
    std::uint64_t address = 0;
    std::string type;
    std::string name;
    fields >> std::hex >> address >> type >> name;
    if (type == "T" && address >> 63 != 0) {
      const auto found = symbols->find(address);
      ASSERT_TRUE(found) << line;
      ASSERT_EQ(found->start, address) << line;
      ++checked;
    }
  }
  EXPECT_GT(checked, 1000U);
}

TEST(KernelSymbols, keeps_two_hundred_thousand_names_in_less_than_12_mib) {
  std::string text;
  for (unsigned i = 0; i < 200'000; ++i) {
    char line[100];
    std::snprintf(line, sizeof(line), "ffffffff%08x t a_kernel_function_name_%06u\t[module_%u]\n",
                  0x81000000 + i * 64, i, i / 1000);
    text += line;
  }
  const KernelSymbols symbols = load_text(text).value();
  EXPECT_EQ(symbols.symbol_count(), 200'000U);
  EXPECT_LT(symbols.size_bytes(), 12U << 20);
  EXPECT_EQ(symbols.find(0xffffffff81000000 + 150'000UL * 64)->module, "module_150");
}

}  // namespace
}  // namespace waggle
