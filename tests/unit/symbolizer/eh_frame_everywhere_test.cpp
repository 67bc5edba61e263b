// SPDX-License-Identifier: Apache-2.0
// Every ELF file below /usr/bin and /usr/lib: its rows against readelf's, each by each, and the
// size of its table.  A minute or more.
#include <elf.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "symbolizer/unwind_table.h"
#include "tests/unit/symbolizer/readelf_frames.h"

namespace waggle {
namespace {

TEST(EhFrameEverywhere, agrees_with_readelf_on_every_file_of_the_system) {
  std::size_t files = 0;
  std::size_t refused = 0;
  FrameComparison sum;
  UnwindRules rules;
  std::size_t table_rows = 0;
  std::size_t table_bytes = 0;
  for (const char* folder : {"/usr/bin", "/usr/lib"}) {
    std::error_code error;
    const auto options = std::filesystem::directory_options::skip_permission_denied;
    for (auto entry = std::filesystem::recursive_directory_iterator(folder, options, error);
         entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
      const std::string path = entry->path().string();
      std::error_code ignored;
      if (entry->is_symlink(ignored) || !entry->is_regular_file(ignored) ||
          path.find('\'') != std::string::npos) {
        continue;
      }
      const auto file = ElfFile::open(open_for_test(path));
      if (!file || !cfi_registers_of(file->machine()) || file->machine() != EM_X86_64 ||
          (file->type() != ET_EXEC && file->type() != ET_DYN)) {
        continue;
      }
      ++files;
      const FrameComparison result = FrameComparer().compare(*file, read_readelf_frames(path));
      if (const auto table = UnwindTable::build(*file, rules)) {
        table_rows += table->facts().row_count;
        table_bytes += table->nodes().size() * sizeof(unw_node);
      }
      sum.rows += result.rows;
      sum.expressions += result.expressions;
      sum.unsupported += result.unsupported;
      sum.mismatch_count += result.mismatch_count;
      refused += result.rows == 0 ? 1U : 0U;
      for (const std::string& text : result.unsupported_rows) {
        std::printf("no rule: %s %s\n", path.c_str(), text.c_str());
      }
      for (const std::string& text : result.mismatches) {
        ADD_FAILURE() << path << " " << text;
      }
    }
  }
  std::printf(
      "%zu files, %zu without rows; %zu rows, %zu of them expressions, %zu without a rule, "
      "%zu mismatches\n",
      files, refused, sum.rows, sum.expressions, sum.unsupported, sum.mismatch_count);
  table_bytes += rules.size() * sizeof(unw_rule);
  std::printf("tables: %zu rows, %zu rules, %zu bytes\n", table_rows, rules.size(), table_bytes);
  EXPECT_LE(table_bytes, table_rows * 5);
  EXPECT_EQ(rules.refused_count(), 0U);
  EXPECT_GT(files, 100U);
  EXPECT_EQ(sum.mismatch_count, 0U);
  EXPECT_LT(sum.unsupported * 10000, sum.rows);  // each of them told above
}

}  // namespace
}  // namespace waggle
