// SPDX-License-Identifier: Apache-2.0
// When tables come and go, seen from inside a recording.
#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "symbolizer/unwind_table.h"
#include "tests/e2e/unwind/large_file.h"
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

TEST(Feeding, reads_tables_that_an_earlier_recording_has_left_on_disk) {
  const TempDir dir;
  const TestProgram running = start("frames_0");
  std::vector<UnwindTableFiles::Counters> files;
  for (int recording = 0; recording < 2; ++recording) {
    RecorderRun recorder({.frequency = 199, .is_pid_filtered = true},
                         {.files_directory = dir.path() + "/tables"});
    ASSERT_TRUE(recorder->select_pid(running.pid()));
    recorder.start();
    recorder.run(seconds(1));
    const Recording end = recorder.finish();
    EXPECT_GT(tally(end.profile, "frames_0").whole, 40U);
    files.push_back(end.table_files);
  }
  EXPECT_EQ(files[0].read, 0U);
  EXPECT_EQ(files[0].written, 1U);  // the vDSO is of no file
  EXPECT_EQ(files[1].read, 1U);
  EXPECT_EQ(files[1].written, 0U);
}

// The table is there, so the mappings are all that is missing.  A process has its name from the
// path that it was started by, and its table from the file.
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
    ASSERT_TRUE(recorder.run_until(seconds(20),
                                   [&] { return recorder->table_counters().compiled == kTables; }));
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

// Counts how often this process opens or reads a file (fanotify(7)).
class Accesses {
 public:
  explicit Accesses(const std::string& path)
      : fd_(::fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC)) {
    CHECK(fd_.is_open());
    CHECK(::fanotify_mark(fd_.get(), FAN_MARK_ADD, FAN_OPEN | FAN_ACCESS, AT_FDCWD, path.c_str()) ==
          0);
  }

  // Since the last call.
  std::size_t take() {
    std::size_t count = 0;
    alignas(fanotify_event_metadata) std::array<char, 4096> buffer{};
    for (;;) {
      ssize_t size = ::read(fd_.get(), buffer.data(), buffer.size());
      if (size <= 0) {
        return count;
      }
      const auto* event = reinterpret_cast<const fanotify_event_metadata*>(buffer.data());
      for (; FAN_EVENT_OK(event, size); event = FAN_EVENT_NEXT(event, size)) {
        const UniqueFd opened(event->fd);
        count += event->pid == ::getpid() ? 1 : 0;
      }
    }
  }

 private:
  UniqueFd fd_;
};

// Neither for its table nor for its names.
TEST(Feeding, reads_nothing_for_a_new_process_of_a_file_that_is_known) {
  const TempDir dir;
  const std::string known = dir.path() + "/known";
  std::filesystem::copy_file(program("frames_0"), known);
  Accesses accesses(known);
  RecorderRun recorder({.frequency = 199, .is_pid_filtered = true, .follows_children = true},
                       {.prepares_running = false});
  ASSERT_TRUE(recorder->select_pid(::getpid()));
  recorder.start();
  {
    const TestProgram running({known, std::to_string(kDepth)});
    recorder.run(seconds(4));
  }
  EXPECT_GT(accesses.take(), 0U);
  for (int i = 0; i < 10; ++i) {
    const TestProgram running({known, std::to_string(kDepth)});
    recorder.run(milliseconds(100));
  }
  const Tally seen = tally(recorder.finish().profile, "known");
  EXPECT_GT(seen.whole, 300U);
  EXPECT_EQ(accesses.take(), 0U);
}

// A library that nobody has mapped before, as a program loads it at run time.
TEST(Feeding, has_the_table_of_an_opened_library_within_100_ms_in_the_median) {
  constexpr std::size_t kRounds = 15;
  const TempDir dir;
  const std::string library = dir.path() + "/library.so";
  std::filesystem::copy_file(program("libplugin_old_work.so"), library);
  TestProgram loader({program("loader"), library});
  RecorderRun recorder({.frequency = 199, .is_pid_filtered = true});
  ASSERT_TRUE(recorder->select_pid(loader.pid()));
  recorder.start();
  recorder.run(milliseconds(500));
  std::vector<double> latencies_ms;
  for (std::size_t i = 0; i < kRounds; ++i) {
    const std::string next = library + ".next";
    std::filesystem::copy_file(program("libplugin_old_work.so"), next);
    std::filesystem::rename(next, library);
    const std::uint64_t compiled = recorder->table_counters().compiled;
    CHECK(::kill(loader.pid(), SIGUSR1) == 0);
    ASSERT_EQ(loader.read_line(), "ready");
    const auto begin = RecorderRun::Clock::now();
    ASSERT_TRUE(recorder.run_until(seconds(20),
                                   [&] { return recorder->table_counters().compiled > compiled; }));
    latencies_ms.push_back(
        std::chrono::duration<double, std::milli>(RecorderRun::Clock::now() - begin).count());
  }
  std::ranges::sort(latencies_ms);
  fmt::print("from dlopen(3) to the table: median {:.1f} ms, most {:.1f} ms\n",
             latencies_ms[kRounds / 2], latencies_ms.back());
  EXPECT_LE(latencies_ms[kRounds / 2], 100);
}

std::uint64_t highest_rss_kib() {
  const std::string status = read_file("/proc/self/status", 65536).value();
  const std::string_view key = "VmHWM:";
  return std::stoull(status.substr(status.find(key) + key.size()));
}

// A file of 1 GiB that 10,000 mappings show: its table takes its time, and nobody waits for it.
TEST(Feeding, has_the_tables_of_others_while_a_large_file_is_compiled) {
  constexpr std::uint32_t kFunctions = 1 << 20;  // 24 MiB of call frame information
  const TempDir dir;
  LargeFile::write(dir.path() + "/large", kFunctions, std::uint64_t{1} << 30);
  const TestProgram lasting = start("frames_0");
  RecorderRun recorder({.frequency = 499, .is_pid_filtered = true});
  ASSERT_TRUE(recorder->select_pid(lasting.pid()));
  recorder.start();
  recorder.run(milliseconds(300));
  const std::uint64_t before = recorder->table_counters().compiled;
  const std::uint64_t rss_before_kib = highest_rss_kib();

  const TestProgram mapper({program("mapper"), dir.path() + "/large", "10000"});
  ASSERT_TRUE(recorder->select_pid(mapper.pid()));
  const TestProgram small = start("frames_1");
  ASSERT_TRUE(recorder->select_pid(small.pid()));
  const auto begin = RecorderRun::Clock::now();
  const auto time_until = [&](std::uint64_t compiled) {
    EXPECT_TRUE(recorder.run_until(
        seconds(30), [&] { return recorder->table_counters().compiled >= compiled; }));
    return std::chrono::duration<double, std::milli>(RecorderRun::Clock::now() - begin).count();
  };
  const double small_ms = time_until(before + 2);  // the small program's and the mapper's own
  const double large_ms = time_until(before + 3);
  const std::uint64_t rss_kib = highest_rss_kib() - rss_before_kib;
  fmt::print("tables beside a large file: {:.0f} ms, its own: {:.0f} ms, memory for it: {} MiB\n",
             small_ms, large_ms, rss_kib / 1024);
  EXPECT_LT(small_ms, large_ms);
  EXPECT_LT(rss_kib / 1024, 160U);
  EXPECT_EQ(recorder->table_counters().refused, 0U);
  recorder.run(milliseconds(500));
  const Recording recording = recorder.finish();
  const Tally of_lasting = tally(recording.profile, "frames_0");
  EXPECT_GE(recording.mappings.cut, 1U);  // those of the mapper
  EXPECT_GT(of_lasting.whole, 100U);
  EXPECT_EQ(of_lasting.early, 0U);
  EXPECT_GT(tally(recording.profile, "frames_1").whole, 50U);
}

}  // namespace
}  // namespace waggle
