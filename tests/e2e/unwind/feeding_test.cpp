// SPDX-License-Identifier: Apache-2.0
// When tables come and go, seen from inside a recording.
#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "symbolizer/unwind_table.h"
#include "tests/recorder_run.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using Frames = std::vector<std::string>;

constexpr std::string_view kTruncated = "[truncated: ";
constexpr int kDepth = 20;

std::string program(const std::string& name) {
  return std::string(PROGRAMS) + "/" + name;
}

std::string variant(std::size_t number) {
  return fmt::format("frames_{}", number);
}

TestProgram start(const std::string& name) {
  return TestProgram({program(name), std::to_string(kDepth)});
}

// Of the table of a file.
std::size_t node_count(const std::string& name) {
  UnwindRules rules;
  const ElfFile file = ElfFile::open(open_file(program(name), O_RDONLY).value()).value();
  return UnwindTable::build(file, rules).value().nodes().size();
}

struct Tally {
  std::uint64_t whole = 0;
  std::uint64_t early = 0;  // before the table was there: the leaf alone, and a marker
  std::uint64_t other = 0;  // the program did something else: it started, or it ended
};

// Fails the test for a stack of the burning program that is neither whole nor cut at its leaf.
Tally tally(const Profile& profile, const std::string& comm) {
  Frames expected(kDepth + 2, "recurse");
  expected.front() = "main";
  expected.back() = "burn";
  Tally tally;
  for (const SampledStack& stack : stacks_of(profile, comm)) {
    const Frames& frames = stack.frames;
    if (frames.empty() || frames.back() != "burn") {
      tally.other += stack.count;
    } else if (frames.size() == 2 && frames.front().starts_with(kTruncated)) {
      tally.early += stack.count;
    } else {
      EXPECT_EQ(frames.front(), "_start");
      EXPECT_EQ(Frames(std::ranges::find(frames, "main"), frames.end()), expected) << comm;
      tally.whole += stack.count;
    }
  }
  return tally;
}

TEST(Feeding, is_done_before_the_first_sample_of_what_already_runs) {
  const TestProgram running = start("recursion_no_fp");
  RecorderRun recorder({.frequency = 99, .is_pid_filtered = true});
  ASSERT_TRUE(recorder->select_pid(running.pid()));
  recorder.start();
  EXPECT_EQ(recorder->mapping_counters().fed, 1U);
  EXPECT_GE(recorder->table_counters().compiled, 2U);  // the program and the C library
  recorder.run(seconds(1));
  const Tally seen = tally(recorder.finish().profile, "recursion_no_fp");
  EXPECT_GT(seen.whole, 20U);
  EXPECT_EQ(seen.early, 0U);
}

// The table is there, so the mappings are all that is missing.  A process has its name from the path
// that it was started by, and its table from the file.
TEST(Feeding, is_done_before_the_first_sample_of_a_program_that_starts) {
  const TempDir dir;
  const std::string again = dir.path() + "/again";
  std::filesystem::create_symlink(program("frames_0"), again);
  RecorderRun recorder({.frequency = 999, .is_pid_filtered = true, .follows_children = true},
                       {.prepares_running = false});
  ASSERT_TRUE(recorder->select_pid(::getpid()));
  recorder.start();
  {
    const TestProgram running = start("frames_0");
    constexpr std::uint64_t kTables = 2;  // its own and the vDSO's
    ASSERT_TRUE(recorder.run_until(
        seconds(20), [&] { return recorder->table_counters().compiled == kTables; }));
  }
  for (int i = 0; i < 10; ++i) {
    const TestProgram running({again, std::to_string(kDepth)});
    recorder.run(milliseconds(50));
  }
  const Tally seen = tally(recorder.finish().profile, "again");
  EXPECT_GT(seen.whole, 50U);
  EXPECT_LE(static_cast<double>(seen.early), 0.1 * static_cast<double>(seen.whole));
}

// One program keeps its table all the time; those of the others come and go.
TEST(Feeding, evicts_and_reloads_tables_without_a_wrong_frame) {
  constexpr std::size_t kVariants = 7;
  const TestProgram lasting = start(variant(kVariants));
  const std::size_t budget = 4 * node_count(variant(kVariants));
  RecorderRun recorder({.frequency = 999, .is_pid_filtered = true},
                       {.budget_bytes = budget * UNW_NODE_BYTES});
  ASSERT_TRUE(recorder->select_pid(lasting.pid()));
  recorder.start();
  for (std::size_t i = 0; i < 100; ++i) {
    const TestProgram running = start(variant(i * 3 % kVariants));
    ASSERT_TRUE(recorder->select_pid(running.pid()));
    recorder.run(milliseconds(80));
  }
  const UnwindTables::Counters counters = recorder->table_counters();
  EXPECT_GE(counters.evicted, 50U);
  EXPECT_GE(counters.again, 50U);
  EXPECT_EQ(counters.refused, 0U);
  EXPECT_EQ(counters.no_room, 0U);
  const Recording recording = recorder.finish();
  std::uint64_t whole = 0;
  for (std::size_t i = 0; i < kVariants; ++i) {
    const Tally seen = tally(recording.profile, variant(i));
    EXPECT_GT(seen.whole, 100U) << variant(i);
    whole += seen.whole;
  }
  EXPECT_GT(whole, 1000U);
  const Tally seen = tally(recording.profile, variant(kVariants));
  EXPECT_GT(seen.whole, 1000U);
  EXPECT_EQ(seen.early, 0U);
}

// What is in use stays; who finds no room is told of, and gets its table when there is some.
TEST(Feeding, never_evicts_a_table_in_use) {
  std::optional<TestProgram> first;
  first.emplace(std::vector<std::string>{program("frames_0"), std::to_string(kDepth)});
  const TestProgram second = start("frames_1");
  const std::size_t budget = node_count("frames_0") * 3 / 2;
  RecorderRun recorder({.frequency = 999, .is_pid_filtered = true},
                       {.budget_bytes = budget * UNW_NODE_BYTES});
  ASSERT_TRUE(recorder->select_pid(first->pid()));
  recorder.start();
  ASSERT_TRUE(recorder->select_pid(second.pid()));
  recorder.run(milliseconds(2500));
  constexpr std::uint64_t kFirst = 2;  // its own and the vDSO's
  EXPECT_EQ(recorder->table_counters().compiled, kFirst);
  EXPECT_EQ(recorder->table_counters().no_room, 1U);
  EXPECT_EQ(recorder->table_counters().evicted, 0U);
  const auto problems = recorder->take_table_problems();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems.front().file, "frames_1");

  first.reset();
  EXPECT_TRUE(recorder.run_until(
      seconds(20), [&] { return recorder->table_counters().compiled == kFirst + 1; }));
  EXPECT_EQ(recorder->table_counters().evicted, 1U);
  recorder.run(milliseconds(500));
  const Recording recording = recorder.finish();
  const Tally of_first = tally(recording.profile, "frames_0");
  EXPECT_GT(of_first.whole, 100U);
  EXPECT_EQ(of_first.early, 0U);
  const Tally of_second = tally(recording.profile, "frames_1");
  EXPECT_GT(of_second.whole, 20U);
  EXPECT_GT(of_second.early, 100U);
}

}  // namespace
}  // namespace waggle
