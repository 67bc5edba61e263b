// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/session_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <string>

#include "base/file.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::EndsWith;

const std::chrono::system_clock::time_point kEnd(std::chrono::milliseconds(1'704'067'200'900));

std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

TEST(SessionFiles, are_named_by_the_end_and_linked) {
  const TempDir dir;
  const SessionFiles files{.directory = dir.path() + "/a/b"};
  const auto written = write_session(files, kEnd, "stacks", "page");
  ASSERT_TRUE(written) << written.error().what;
  EXPECT_THAT(*written, ElementsAre(EndsWith("/a/b/profile_2024-01-01T00:00:00.col"),
                                    EndsWith("/a/b/profile_2024-01-01T00:00:00.html")));
  EXPECT_EQ(read_file(files.directory + "/last_profile.col", 100).value(), "stacks");
  EXPECT_EQ(read_file(files.directory + "/last_flamegraph.html", 100).value(), "page");
}

TEST(SessionFiles, of_the_same_second_do_not_replace_each_other) {
  const TempDir dir;
  const SessionFiles files{.directory = dir.path()};
  ASSERT_TRUE(write_session(files, kEnd, "1", std::nullopt));
  ASSERT_TRUE(write_session(files, kEnd, "2", std::nullopt));
  ASSERT_TRUE(write_session(files, kEnd, "3", std::nullopt));
  EXPECT_EQ(names_in(dir.path()),
            (std::set<std::string>{"last_profile.col", "profile_2024-01-01T00:00:00.col",
                                   "profile_2024-01-01T00:00:00_2.col",
                                   "profile_2024-01-01T00:00:00_3.col"}));
  EXPECT_EQ(read_file(dir.path() + "/last_profile.col", 100).value(), "3");
}

TEST(SessionFiles, that_rotate_leave_the_last_pair_and_what_is_not_theirs) {
  const TempDir dir;
  const SessionFiles files{.directory = dir.path(), .is_rotating = true};
  ASSERT_TRUE(write_file_atomically(dir.path() + "/mine", "x"));
  std::filesystem::create_symlink("mine", dir.path() + "/last_profile.col");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(write_session(files, kEnd + std::chrono::seconds(i), "stacks", "page"));
  }
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"last_flamegraph.html", "last_profile.col",
                                                         "mine", "profile_2024-01-01T00:00:02.col",
                                                         "profile_2024-01-01T00:00:02.html"}));
}

TEST(SessionFiles, that_cannot_be_written_are_an_error) {
  const TempDir dir;
  ASSERT_TRUE(write_file_atomically(dir.path() + "/file", "x"));
  const auto written =
      write_session({.directory = dir.path() + "/file/below"}, kEnd, "stacks", std::nullopt);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().what, testing::HasSubstr("Not a directory"));
}

}  // namespace
}  // namespace waggle
