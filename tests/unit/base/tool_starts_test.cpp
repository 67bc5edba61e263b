// SPDX-License-Identifier: Apache-2.0
// Tools, one after the other, as many as the build says (TOOL_STARTS): what is left of them.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/supervised_tool.h"
#include "base/text.h"

namespace waggle {
namespace {

using std::chrono::seconds;

// Sanitizers keep what is freed for a while.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kFreesMemory = false;
#else
constexpr bool kFreesMemory = true;
#endif

std::ptrdiff_t open_files() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

std::string children() {
  return read_file("/proc/thread-self/children", 65536).value();
}

std::uint64_t resident_pages() {
  const std::string statm = read_file("/proc/self/statm", 256).value();
  return parse_number<std::uint64_t>(split(statm, ' ').at(1)).value();
}

// Each third one ends by itself, is stopped, is dropped while it runs.
void start_and_stop(int number) {
  const bool ends = number % 3 == 0;
  std::string output;
  auto tool =
      SupervisedTool::start(std::vector<std::string>{ends ? "/bin/echo" : "/bin/sleep", "600"}, {},
                            [&output](std::string_view piece) { output += piece; });
  ASSERT_TRUE(tool) << number << ": " << tool.error().what;
  if (ends) {
    ASSERT_TRUE(tool->wait_until(std::chrono::steady_clock::now() + seconds(60))) << number;
    ASSERT_EQ(output, "600\n") << number;
  } else if (number % 3 == 1) {
    (void)tool->stop(seconds(60));
  }
}

class ToolStarts : public testing::TestWithParam<int> {};

TEST_P(ToolStarts, leave_no_process_no_descriptor_and_no_memory) {
  constexpr int kFirst = 100;
  constexpr std::uint64_t kMostPages = 256;  // a MiB
  int number = 0;
  for (; number < kFirst && !HasFatalFailure(); ++number) {
    start_and_stop(number);
  }
  const auto files = open_files();
  const std::uint64_t pages = resident_pages();
  for (; number < GetParam() && !HasFatalFailure(); ++number) {
    start_and_stop(number);
  }
  EXPECT_EQ(open_files(), files);
  EXPECT_EQ(children(), "");
  if (kFreesMemory) {
    EXPECT_LE(resident_pages(), pages + kMostPages);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, ToolStarts, testing::Values(TOOL_STARTS),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace waggle
