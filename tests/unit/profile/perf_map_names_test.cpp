// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/perf_map_names.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

class PerfMapNamesTest : public testing::Test {
 protected:
  // A map of its own process.
  PerfMapFileRef put(const std::string& text) {
    const std::string path = fmt::format("{}/{}", dir_.path(), next_id_);
    CHECK(write_file_atomically(path, text));
    return std::make_shared<const PerfMapFile>(
        PerfMapFile{.id = next_id_++, .fd = open_file(path, O_RDONLY).value()});
  }
  void append(const PerfMapFileRef& file, const std::string& text) {
    const std::string path = fmt::format("{}/{}", dir_.path(), file->id);
    CHECK(write_all(open_file(path, O_WRONLY | O_APPEND).value().get(), text));
  }
  std::string find(const PerfMapFileRef& file, std::uint64_t address) {
    return std::string(names_.find(file, address).value_or("?"));
  }

  TempDir dir_;
  std::uint64_t next_id_ = 0;
  PerfMapNames names_{1 << 20};
};

TEST_F(PerfMapNamesTest, keeps_processes_apart) {
  const PerfMapFileRef first = put("1000 10 first\n");
  const PerfMapFileRef second = put("1000 10 second\n");
  EXPECT_EQ(find(first, 0x100f), "first");
  EXPECT_EQ(find(second, 0x100f), "second");
  EXPECT_EQ(find(second, 0x1010), "?");
  EXPECT_EQ(names_.read_count(), 2U);
}

TEST_F(PerfMapNamesTest, reads_again_when_the_file_has_grown) {
  const PerfMapFileRef file = put("1000 10 early\n");
  EXPECT_EQ(find(file, 0x2000), "?");
  append(file, "2000 10 late\n");
  EXPECT_EQ(find(file, 0x2000), "late");
  EXPECT_EQ(find(file, 0x1000), "early");
  EXPECT_EQ(names_.read_count(), 2U);
}

TEST_F(PerfMapNamesTest, does_not_read_again_what_has_not_grown) {
  const PerfMapFileRef file = put("1000 10 f\n");
  for (std::uint64_t address = 0x2000; address < 0x3000; ++address) {
    EXPECT_EQ(find(file, address), "?");
  }
  EXPECT_EQ(names_.read_count(), 1U);
}

// Two files that always grow: the second reading again of the two waits.
TEST_F(PerfMapNamesTest, does_not_read_again_all_the_time) {
  const PerfMapFileRef first = put("1000 10 f\n");
  const PerfMapFileRef second = put("1000 10 f\n");
  for (int i = 0; i < 100; ++i) {
    append(first, "3000 10 g\n");
    append(second, "3000 10 g\n");
    EXPECT_EQ(find(first, 0x2000), "?");
    EXPECT_EQ(find(second, 0x2000), "?");
  }
  EXPECT_LT(names_.read_count(), 20U) << "100 ms lie between two readings";
}

TEST_F(PerfMapNamesTest, forgets_the_least_recently_used_when_full) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) {
    text += fmt::format("{:x} 10 a_function_with_a_rather_long_name_{}\n", 0x1000 + 16 * i, i);
  }
  std::vector<PerfMapFileRef> files;
  for (int i = 0; i < 8; ++i) {
    files.push_back(put(text));
    EXPECT_NE(find(files.back(), 0x1000), "?");
  }
  EXPECT_NE(find(files.back(), 0x1010), "?");
  EXPECT_EQ(names_.read_count(), 8U);
  EXPECT_NE(find(files.front(), 0x1000), "?");
  EXPECT_EQ(names_.read_count(), 9U);
  EXPECT_EQ(files[1].use_count(), 1) << "the cache still holds it";
}

}  // namespace
}  // namespace waggle
