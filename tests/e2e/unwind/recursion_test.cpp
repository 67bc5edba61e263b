// SPDX-License-Identifier: Apache-2.0
// Depth: code without frame pointers has every frame, by each compiler and in each form of program.
#include <gtest/gtest.h>

#include <cstddef>

#include "tests/e2e/unwind/stacks.h"

namespace waggle {
namespace {

Frames recursion(const Frames& entry, int depth) {
  Frames frames = entry;
  frames.emplace_back("main");
  frames.insert(frames.end(), static_cast<std::size_t>(depth), "recurse");
  frames.emplace_back("burn");
  return frames;
}

TEST(Recursion, has_every_frame_from_the_entry_to_the_leaf) {
  struct Form {
    std::string program;
    std::string comm;
    Frames entry;
  };
  const std::vector<Form> forms = {
      {"recursion_no_fp", "gcc", from_entry({})},
      {"recursion_no_fp_static", "static", from_static_entry({})},
      {"recursion_no_fp_static_pie", "static_pie", from_static_entry({})},
      {"recursion_no_fp_clang", "clang", from_entry({})},
  };
  for (const Form& form : forms) {
    const auto comm_of = [&](int depth) { return form.comm + std::to_string(depth); };
    Programs programs;
    const std::vector<int> depths = {10, 100, 500, 1000};
    for (const int depth : depths) {
      programs.start(form.program, {std::to_string(depth)}, comm_of(depth));
    }
    const CollapsedFile file = programs.record();
    for (const int depth : depths) {
      const Stacks stacks(file, comm_of(depth), {recursion(form.entry, depth)});
      EXPECT_GT(stacks[0], 100U) << comm_of(depth);
      EXPECT_EQ(stacks[0], stacks.whole());
    }
  }
}

TEST(Recursion, keeps_its_leaf_side_where_it_is_too_deep_and_says_so) {
  Programs programs;
  programs.start("recursion_no_fp", {"1500"}, "too_deep");
  const CollapsedFile file = programs.record();
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
  EXPECT_GE(static_cast<double>(cut), 0.85 * static_cast<double>(file.total()));
  EXPECT_GE(file.header["waggle"]["truncated"].get<std::uint64_t>(), cut);
}

}  // namespace
}  // namespace waggle
