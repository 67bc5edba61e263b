// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/external_tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/temp_dir.h"

namespace waggle {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::StartsWith;

std::string write_script(const std::string& path, const std::string& body) {
  std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

TEST(FindVersion, takes_the_first_word_that_looks_like_one) {
  EXPECT_EQ(find_version("py-spy 0.4.3\n"), "0.4.3");
  EXPECT_EQ(find_version("perf version 6.1.170\n"), "6.1.170");
  EXPECT_EQ(find_version("jattach 2.1 built on May 1 2023\nUsage: jattach <pid>\n"), "2.1");
  EXPECT_EQ(find_version("phpspy v0.6.0\n"), "0.6.0");
  EXPECT_EQ(find_version("warning: 3 things\nrbspy 0.55.1-rc.2, x\n"), "0.55.1-rc.2");
  EXPECT_EQ(find_version("6.0.351802+2d433c2f\n"), "6.0.351802+2d433c2f");
}

TEST(FindVersion, finds_none_in_other_text) {
  EXPECT_EQ(find_version(""), std::nullopt);
  EXPECT_EQ(find_version("usage: tool [options] 12 x.y .5\n"), std::nullopt);
}

TEST(FindVersion, takes_no_control_characters_and_no_novel) {
  EXPECT_EQ(find_version("1.0\x1b[31mred"), "1.0");
  EXPECT_EQ(find_version("1." + std::string(1000, '0'))->size(), 40U);
}

TEST(ReadToolVersion, asks_the_program) {
  const TempDir dir;
  const auto version =
      read_tool_version(write_script(dir.path() + "/tool", R"(echo "tool $1 4.5")"));
  ASSERT_TRUE(version) << version.error().what;
  EXPECT_EQ(*version, "4.5");
}

TEST(ReadToolVersion, takes_it_from_a_failing_program_too) {
  const TempDir dir;
  EXPECT_EQ(read_tool_version(write_script(dir.path() + "/tool", "echo tool 2.1 >&2; exit 1")),
            "2.1");
}

TEST(ReadToolVersion, tells_how_a_program_failed_to) {
  const TempDir dir;
  const std::string path = dir.path() + "/tool";
  EXPECT_EQ(read_tool_version(write_script(path, "sleep 600")).error().what,
            "did not tell its version in time");
  EXPECT_EQ(read_tool_version(write_script(path, "kill -SEGV $$")).error().what,
            "was ended by signal 11");
  EXPECT_EQ(read_tool_version(write_script(path, "echo hello")).error().what, "told no version");
  EXPECT_EQ(read_tool_version(write_script(path, "yes")).error().what,
            "told too much instead of its version");
  EXPECT_THAT(read_tool_version(dir.path() + "/none").error().what,
              HasSubstr("No such file or directory"));
}

TEST(FindTool, takes_the_first_usable_file) {
  const TempDir dir;
  const ExternalTool tool = {"tool", "tool", false, "", ""};
  const std::vector<std::string> directories = {dir.path() + "/a", dir.path() + "/b",
                                                dir.path() + "/c", dir.path() + "/d"};
  EXPECT_EQ(find_tool(tool, directories), std::nullopt);
  for (const std::string& directory : directories) {
    std::filesystem::create_directory(directory);
  }
  std::filesystem::create_directory(directories[0] + "/tool");  // no file
  std::ofstream(directories[1] + "/tool") << "not executable";
  EXPECT_EQ(find_tool(tool, directories), std::nullopt);
  write_script(directories[2] + "/tool", "");
  write_script(directories[3] + "/tool", "");
  EXPECT_EQ(find_tool(tool, directories), directories[2] + "/tool");
}

TEST(LocateTool, believes_a_person_and_nobody_else) {
  const TempDir dir;
  const std::string path = write_script(dir.path() + "/my-perf", "");
  EXPECT_EQ(locate_tool("perf", path), path);
  std::ofstream(dir.path() + "/plain") << "not executable";
  for (const std::string& bad : {dir.path(), dir.path() + "/plain", dir.path() + "/none"}) {
    const auto located = locate_tool("perf", bad);
    ASSERT_FALSE(located) << *located;
    EXPECT_THAT(located.error().what, StartsWith(bad + " is no program"));
  }
}

TEST(LocateTool, finds_a_library_in_the_directory_that_a_person_names) {
  const TempDir dir;
  const std::string path = dir.path() + "/libasyncProfiler.so";
  EXPECT_FALSE(locate_tool("async-profiler", dir.path()));
  std::ofstream(path) << "need not be executable";
  EXPECT_EQ(locate_tool("async-profiler", dir.path()), path);
  EXPECT_EQ(locate_tool("async-profiler", path), path);
}

TEST(LocateTool, makes_a_relative_path_absolute) {
  const TempDir dir;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  write_script("my-perf", "");
  const auto located = locate_tool("perf", "./my-perf");
  std::filesystem::current_path(before);
  ASSERT_TRUE(located) << located.error().what;
  EXPECT_THAT(*located, StartsWith("/"));
  EXPECT_TRUE(std::filesystem::equivalent(*located, dir.path() + "/my-perf"));
}

TEST(ToolDirectories, start_beside_us_and_hold_no_relative_path) {
  const char* const path = ::getenv("PATH");
  ASSERT_TRUE(path != nullptr);
  const std::string path_before = path;
  ::setenv("PATH", "/first:relative::.:/second:/first", 1);
  const auto directories = tool_directories();
  ::setenv("PATH", path_before.c_str(), 1);
  ASSERT_GE(directories.size(), 3U);
  EXPECT_EQ(directories[0], std::filesystem::read_symlink("/proc/self/exe").parent_path());
  EXPECT_EQ(directories[1], "/first");
  EXPECT_EQ(directories[2], "/second");
  EXPECT_THAT(directories, Each(StartsWith("/")));
  EXPECT_EQ(std::ranges::count(directories, "/first"), 1);
  EXPECT_EQ(std::ranges::count(directories, "/usr/bin"), 1);
}

}  // namespace
}  // namespace waggle
