// SPDX-License-Identifier: Apache-2.0
// Stacks of code without frame pointers, walked by unwind tables.
#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "symbolizer/elf_file.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

constexpr std::string_view kNoInfo = "[truncated: no unwind info]";
constexpr std::string_view kTooDeep = "[truncated: depth]";

CollapsedFile record(pid_t pid) {
  const WaggleResult result =
      run_waggle({"record", "-d", "2", "-F", "199", "-o", "-", "-p", std::to_string(pid)});
  EXPECT_EQ(result.status, 0) << result.err;
  return CollapsedFile::parse(result.out);
}

using Frames = std::vector<std::string>;

// The frames of user code: those of an interrupt of the leaf stand behind them.
Frames user_frames(const CollapsedFile::Line& line) {
  Frames frames = line.frames;
  const auto kernel = std::ranges::find_if(
      frames, [](const std::string& frame) { return frame.ends_with("_[k]"); });
  frames.erase(kernel, frames.end());
  return frames;
}

// From main() on.
Frames from_main(const Frames& frames) {
  return {std::ranges::find(frames, "main"), frames.end()};
}

class Recursion : public testing::TestWithParam<std::tuple<std::string, int>> {};

// Every sample is whole, or was taken before the table was there and says so: no frame is wrong.
TEST_P(Recursion, has_every_frame_from_the_entry_to_the_leaf) {
  const auto& [name, depth] = GetParam();
  const TestProgram running({std::string(PROGRAMS) + "/" + name, std::to_string(depth)});
  const CollapsedFile file = record(running.pid());
  Frames expected(static_cast<std::size_t>(depth) + 2, "recurse");
  expected.front() = "main";
  expected.back() = "burn";
  std::uint64_t whole = 0;
  std::uint64_t early = 0;
  for (const CollapsedFile::Line& line : file.lines) {
    const Frames frames = user_frames(line);
    if (frames == Frames{std::string(kNoInfo), "burn"}) {
      early += line.count;
    } else {
      EXPECT_EQ(frames.front(), "_start");
      EXPECT_EQ(from_main(frames), expected);
      whole += line.count;
    }
  }
  ASSERT_GT(whole, 100U);
  EXPECT_LE(static_cast<double>(early), 0.05 * static_cast<double>(whole));
  EXPECT_EQ(file.header["waggle"]["truncated"].get<std::uint64_t>(), early);
  EXPECT_TRUE(file.adds_up());
}

INSTANTIATE_TEST_SUITE_P(Programs, Recursion,
                         testing::Combine(testing::Values("recursion_no_fp",
                                                          "recursion_no_fp_static",
                                                          "recursion_no_fp_clang"),
                                          testing::Values(10, 1000)),
                         [](const auto& instance) {
                           return fmt::format("{}_{}", std::get<0>(instance.param),
                                              std::get<1>(instance.param));
                         });

TEST(DeepRecursion, keeps_its_leaf_side_and_says_so) {
  const TestProgram running({std::string(PROGRAMS) + "/recursion_no_fp", "1500"});
  const CollapsedFile file = record(running.pid());
  std::uint64_t cut = 0;
  for (const CollapsedFile::Line& line : file.lines) {
    const Frames frames = user_frames(line);
    if (frames.front() != kTooDeep) {
      continue;
    }
    cut += line.count;
    EXPECT_GE(std::ranges::count(frames, "recurse"), 1000);
    EXPECT_EQ(frames.back(), "burn");
  }
  EXPECT_GE(static_cast<double>(cut), 0.95 * static_cast<double>(file.total()));
  EXPECT_GE(file.header["waggle"]["truncated"].get<std::uint64_t>(), cut);
}

// Overwrites bytes of a copy's .eh_frame; C code runs without it.
std::string damaged_copy(const std::string& directory, const std::string& name, std::size_t offset,
                         std::size_t size) {
  std::string copy = directory + "/damaged";
  std::filesystem::copy_file(std::string(PROGRAMS) + "/" + name, copy);
  const UniqueFd fd(::open(copy.c_str(), O_RDWR | O_CLOEXEC));
  const ElfFile file = ElfFile::open(open_file(copy, O_RDONLY).value()).value();
  const ElfSection* section = file.find_section(".eh_frame");
  CHECK(section != nullptr && offset + size <= section->size);
  const std::string garbage(size, '\x5a');
  CHECK(::pwrite(fd.get(), garbage.data(), size, static_cast<off_t>(section->offset + offset)) ==
        static_cast<ssize_t>(size));
  return copy;
}

class DamagedFrames : public testing::TestWithParam<std::pair<std::size_t, std::size_t>> {};

// It costs that file its table, or a part of it, and the reason is told.
TEST_P(DamagedFrames, cost_their_own_file_its_stacks_and_nothing_else) {
  const auto [offset, size] = GetParam();
  const TempDir dir;
  const std::string path = damaged_copy(dir.path(), "recursion_no_fp_static", offset, size);
  const TestProgram damaged({path, "10"});
  const TestProgram sound({std::string(PROGRAMS) + "/recursion_no_fp", "10"});
  const WaggleResult result = run_waggle({"record", "-d", "2", "-F", "199", "-o", "-", "-p",
                                          fmt::format("{},{}", damaged.pid(), sound.pid())});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("damaged: no unwind table: .eh_frame: "));
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.share_of("recursion_no_fp", ";_start;"), 0.95);
  EXPECT_GT(file.count_of("damaged"), 20U);
}

INSTANTIATE_TEST_SUITE_P(At, DamagedFrames,
                         testing::Values(std::pair{0, 64}, std::pair{0, 4096},
                                         std::pair{600, 2000}));

}  // namespace
}  // namespace waggle
