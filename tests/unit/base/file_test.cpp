// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/temp_dir.h"

namespace waggle {
namespace {

TEST(ReadFile, reads_procfs_whose_size_is_zero) {
  const auto text = read_file("/proc/self/stat", 4096);
  ASSERT_TRUE(text) << text.error().what;
  EXPECT_TRUE(text->starts_with(std::to_string(::getpid())));
}

TEST(ReadFile, names_the_path_it_cannot_open) {
  const auto text = read_file("/nonexistent/file", 10);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::not_found);
  EXPECT_EQ(text.error().what, "/nonexistent/file: No such file or directory");
}

TEST(ReadFile, refuses_more_than_the_limit) {
  const auto text = read_file("/proc/self/maps", 16);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::exhausted);
}

TEST(WriteFileAtomically, replaces_the_whole_file) {
  const TempDir dir;
  const std::string path = dir.path() + "/out";
  ASSERT_TRUE(write_file_atomically(path, "first, longer"));
  ASSERT_TRUE(write_file_atomically(path, "second"));
  EXPECT_EQ(read_file(path, 100).value(), "second");
}

TEST(WriteFileAtomically, leaves_nothing_behind_when_it_fails) {
  const TempDir dir;
  const std::string path = dir.path() + "/is_a_directory";
  std::filesystem::create_directory(path);
  const auto written = write_file_atomically(path, "text");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().what.find(path), std::string::npos);
  int entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    ++entries;
  }
  EXPECT_EQ(entries, 1);
}

}  // namespace
}  // namespace waggle
