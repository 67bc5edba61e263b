// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/smart_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/text.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Lines = std::map<std::string, std::uint64_t>;

// "pid;comm;frame;frame" -> count.
Profile profile_of(const Lines& lines) {
  Profile profile;
  for (const auto& [line, count] : lines) {
    const auto words = split(line, ';');
    Profile::Stack stack{.container = profile.intern(""),
                         .comm = profile.intern(words.at(1)),
                         .frames = {},
                         .process = parse_number<std::uint32_t>(words[0]).value()};
    for (std::size_t i = 2; i < words.size(); ++i) {
      stack.frames.push_back(profile.intern(words[i]));
    }
    profile.add(stack, count);
  }
  return profile;
}

Lines lines_of(const Profile& profile) {
  Lines lines;
  for (const auto& [stack, count] : profile.counts()) {
    std::string line = std::to_string(stack.process) + ";" + std::string(profile.name(stack.comm));
    for (const Profile::NameId frame : stack.frames) {
      line += ";" + std::string(profile.name(frame));
    }
    lines[line] += count;
  }
  return lines;
}

SmartMerge merge(const Lines& fp, const Lines& dwarf) {
  return merge_smart(profile_of(fp), profile_of(dwarf),
                     [](std::uint32_t process) { return process == 77; });
}

TEST(SmartMerge, takes_the_walk_with_more_frames_for_each_process) {
  const SmartMerge merged = merge({{"1;a;main;f;g", 10}, {"2;b;x", 4}},
                                  {{"1;a;main", 10}, {"2;b;main;x", 2}, {"2;b;main;y", 2}});
  EXPECT_THAT(lines_of(merged.profile),
              ElementsAre(Pair("0;a;main;f;g", 10), Pair("0;b;main;x", 2), Pair("0;b;main;y", 2)));
  EXPECT_EQ(merged.dwarf_processes, 1U);
}

TEST(SmartMerge, takes_dwarf_where_both_tell_the_same) {
  EXPECT_THAT(lines_of(merge({{"1;a;f", 3}}, {{"1;a;g", 3}}).profile),
              ElementsAre(Pair("0;a;g", 3)));
}

// gProfiler's own cases of a stack's depth, each against stacks just below and above.
TEST(SmartMerge, counts_frames_of_user_space_that_have_a_name) {
  const auto is_deeper = [](const std::string& stack, const std::string& than) {
    return lines_of(merge({{"1;fp;" + stack, 1}}, {{"1;fp;" + than, 1}}).profile)
        .contains("0;fp;" + stack);
  };
  EXPECT_TRUE(is_deeper("a", "d_[k]"));
  EXPECT_FALSE(is_deeper("a", "b"));
  EXPECT_FALSE(is_deeper("d_[k]", "[unknown]"));
  EXPECT_TRUE(is_deeper("a;b;c;d_[k]", "a;b"));
  EXPECT_FALSE(is_deeper("a;b;c;d_[k]", "a;b;c"));
  EXPECT_FALSE(is_deeper("[unknown];[unknown];[unknown];a;b;c;d_[k]", "a;b;c"));
  EXPECT_TRUE(is_deeper("[unknown];[unknown];[unknown];a;b;c;d_[k]", "a;b"));
  EXPECT_FALSE(is_deeper("[truncated: depth];a", "a"));
  EXPECT_TRUE(is_deeper("(libx.so+0x10);a", "b"));
}

TEST(SmartMerge, averages_over_samples_not_over_lines) {
  const Lines fp = {{"1;a;f;g", 99}, {"1;a;x", 1}};       // 1.99
  const Lines dwarf = {{"1;a;f;g;h", 1}, {"1;a;f", 99}};  // 1.02; by lines 2 against 1.5
  EXPECT_THAT(lines_of(merge(fp, dwarf).profile),
              ElementsAre(Pair("0;a;f;g", 99), Pair("0;a;x", 1)));
}

TEST(SmartMerge, scales_dwarf_so_that_the_total_is_exact) {
  const SmartMerge merged =
      merge({{"1;a;f", 100}}, {{"1;a;m;x", 1}, {"1;a;m;y", 1}, {"1;a;m;z", 1}});
  EXPECT_EQ(merged.profile.total(), 100U);
  EXPECT_THAT(lines_of(merged.profile),
              ElementsAre(Pair("0;a;m;x", 34), Pair("0;a;m;y", 33), Pair("0;a;m;z", 33)));
  EXPECT_EQ(merge({{"1;a;f", 1}}, {{"1;a;m;x", 7}, {"1;a;m;y", 5}}).profile.total(), 1U);
}

TEST(SmartMerge, keeps_processes_of_frame_pointers_alone_and_tells_of_those_of_dwarf) {
  const SmartMerge merged = merge({{"1;a;f", 5}, {"2;b;f", 2}},
                                  {{"1;a;m;f", 5}, {"3;c;f", 4}, {"3;c;g", 1}, {"4;d;f", 1}});
  EXPECT_THAT(lines_of(merged.profile), ElementsAre(Pair("0;a;m;f", 5), Pair("0;b;f", 2)));
  EXPECT_EQ(merged.left_out_samples, 6U);
  EXPECT_EQ(merged.left_out_processes, 2U);
}

TEST(SmartMerge, tells_programs_of_one_process_apart) {
  const SmartMerge merged =
      merge({{"1;sh;f;g", 2}, {"1;app;f", 3}}, {{"1;sh;f", 2}, {"1;app;m;f", 3}});
  EXPECT_THAT(lines_of(merged.profile), ElementsAre(Pair("0;app;m;f", 3), Pair("0;sh;f;g", 2)));
}

TEST(SmartMerge, takes_one_side_where_the_other_is_empty) {
  const Lines some = {{"1;a;f", 5}};
  const Lines known = {{"0;a;f", 5}};
  const SmartMerge by_dwarf = merge({}, some);
  EXPECT_EQ(lines_of(by_dwarf.profile), known);
  EXPECT_TRUE(by_dwarf.is_dwarf_alone);
  const SmartMerge by_fp = merge(some, {});
  EXPECT_EQ(lines_of(by_fp.profile), known);
  EXPECT_TRUE(by_fp.is_fp_alone);
  const SmartMerge none = merge({}, {});
  EXPECT_THAT(lines_of(none.profile), IsEmpty());
  EXPECT_FALSE(none.is_fp_alone || none.is_dwarf_alone);
}

TEST(SmartMerge, keeps_apart_the_processes_that_others_tell_of) {
  EXPECT_THAT(lines_of(merge({{"77;py;f", 5}}, {{"77;py;m;f", 5}}).profile),
              ElementsAre(Pair("77;py;m;f", 5)));
}

}  // namespace
}  // namespace waggle
