// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/rbspy/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace waggle {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

TEST(RbspyCommand, never_stops_the_process_and_goes_on_until_it_is_told_to_end) {
  EXPECT_THAT(rbspy_record_command("/opt/rbspy", 12, 11, "/tmp/x/12"),
              ElementsAre("/opt/rbspy", "record", "--silent", "--rate", "11", "--nonblocking",
                          "--on-cpu", "--format", "collapsed", "--file", "/tmp/x/12", "--raw-file",
                          "/dev/null", "--pid", "12"));
}

TEST(RbspyCommand, samples_at_100_hz_at_most) {
  EXPECT_EQ(rbspy_rate(1), 1);
  EXPECT_EQ(rbspy_rate(100), 100);
  EXPECT_EQ(rbspy_rate(999), 100);
  EXPECT_THAT(rbspy_record_command("/r", 12, 999, "/o"), Contains("100"));
}

struct Parsed {
  std::vector<std::string> stacks;
  StackLines::Counters counters;
  bool is_corrupt;
};

Parsed parse(std::string_view text) {
  Parsed parsed;
  StackLines lines([&](const StackLine& line) {
    if (!is_rbspy_stack(line)) {
      return false;
    }
    std::string stack;
    for (const std::string_view frame : line.frames) {
      stack += rbspy_frame_text(frame) + ";";
    }
    parsed.stacks.push_back(stack + std::to_string(line.count));
    return true;
  });
  lines.feed(text);
  lines.finish();
  parsed.counters = lines.counters();
  parsed.is_corrupt = lines.is_corrupt();
  return parsed;
}

TEST(RbspyStacks, are_read_as_rbspy_0_55_writes_them) {
  const Parsed parsed = parse(
      "<main> - /srv/app.rb:12;loop [c function] - (unknown);block in <main> - /srv/app.rb:15 124\n"
      "<main> - (eval):1;a - b - /srv/my - app/x.rb:3 7\n");
  EXPECT_THAT(parsed.stacks,
              ElementsAre("<main> - /srv/app.rb:12_[rb];loop [c function] - (unknown)_[rb];"
                          "block in <main> - /srv/app.rb:15_[rb];124",
                          "<main> - (eval):1_[rb];a - b - /srv/my - app/x.rb:3_[rb];7"));
  EXPECT_EQ(parsed.counters.bad_lines, 0U);
  EXPECT_FALSE(parsed.is_corrupt);
}

TEST(RbspyStacks, that_are_none_are_counted_and_the_whole_not_believed) {
  const Parsed parsed = parse("Returns 12\n<main> - /a.rb:1 5\n - /a.rb:1 5\n");
  EXPECT_EQ(parsed.counters.stacks, 1U);
  EXPECT_EQ(parsed.counters.bad_lines, 2U);
  EXPECT_TRUE(parsed.is_corrupt);
  EXPECT_THAT(parsed.stacks, Not(Contains("Returns_[rb];12")));
}

}  // namespace
}  // namespace waggle
