// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/py_spy/output_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A stack in one line: "[thread] name|file|line;name|file|line count".
std::string text_of(const PySpyStack& stack) {
  std::string text = stack.thread.empty() ? "" : "[" + std::string(stack.thread) + "] ";
  for (const PySpyFrame& frame : stack.frames) {
    text.append(frame.name).append("|").append(frame.file);
    text += "|" + std::to_string(frame.line) + ";";
  }
  text.back() = ' ';
  return text + std::to_string(stack.count);
}

struct Parsed {
  std::vector<std::string> stacks;
  PySpyOutputParser::Counters counters;
  bool is_corrupt;
};

Parsed parse(std::string_view text, bool tells_threads = false,
             std::size_t piece_bytes = std::string::npos) {
  Parsed parsed;
  PySpyOutputParser parser(
      tells_threads, [&](const PySpyStack& stack) { parsed.stacks.push_back(text_of(stack)); });
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, piece_bytes);
    text.remove_prefix(piece.size());
    parser.feed(piece);
  }
  parser.finish();
  parsed.counters = parser.counters();
  parsed.is_corrupt = parser.is_corrupt();
  return parsed;
}

constexpr std::string_view kStacks =
    "<module> (/srv/app.py:1);work (/srv/my (old) app/app.py:17) 12\n"
    "<module> (<string>:1);<listcomp> (<string>);poll 3\n";

TEST(PySpyOutputParser, reads_stacks) {
  const Parsed parsed = parse(kStacks);
  EXPECT_THAT(parsed.stacks,
              ElementsAre("<module>|/srv/app.py|1;work|/srv/my (old) app/app.py|17 12",
                          "<module>|<string>|1;<listcomp>|<string>|0;poll||0 3"));
  EXPECT_EQ(parsed.counters.stacks, 2U);
  EXPECT_EQ(parsed.counters.bad_lines, 0U);
  EXPECT_FALSE(parsed.is_corrupt);
}

TEST(PySpyOutputParser, reads_the_same_however_the_text_is_cut_into_pieces) {
  for (std::size_t bytes = 1; bytes < kStacks.size(); ++bytes) {
    EXPECT_EQ(parse(kStacks, false, bytes).stacks, parse(kStacks).stacks) << bytes;
  }
}

TEST(PySpyOutputParser, tells_threads_where_they_are_told) {
  const std::string text =
      "thread (0x7F12): Thread-1 (work);work (/a.py:2) 5\nthread (0x7F13);work (/a.py:2) 6\n";
  EXPECT_THAT(parse(text, true).stacks,
              ElementsAre("[Thread-1 (work)] work|/a.py|2 5", "[0x7F13] work|/a.py|2 6"));
  EXPECT_THAT(parse(text, false).stacks[1], "thread|0x7F13|0;work|/a.py|2 6");
}

TEST(PySpyOutputParser, finds_nothing_in_nothing) {
  EXPECT_THAT(parse("").stacks, IsEmpty());
  EXPECT_FALSE(parse("").is_corrupt);
}

// A number that was cut is another number.
TEST(PySpyOutputParser, drops_a_last_line_that_is_not_whole) {
  const Parsed parsed = parse(std::string(kStacks) + "work (/a.py:2) 12");
  EXPECT_EQ(parsed.counters.stacks, 2U);
  EXPECT_EQ(parsed.counters.bad_lines, 1U);
  EXPECT_FALSE(parsed.is_corrupt);
}

TEST(PySpyOutputParser, refuses_lines_that_are_no_stacks) {
  for (const std::string line : {"",
                                 " ",
                                 "12",
                                 " 12",
                                 "work (/a.py:2)",
                                 "work (/a.py:2) 0",
                                 "work (/a.py:2) -1",
                                 "work (/a.py:2) 1.5",
                                 "work (/a.py:2) 4294967297",
                                 "work (/a.py:2) 99999999999999999999",
                                 "work (/a.py:2); 3",
                                 ";work (/a.py:2) 3",
                                 "work (/a.py:2);;x 3",
                                 "work\t(/a.py:2) 3",
                                 "work 3",
                                 "work;more 3",
                                 "work (:3) 1x",
                                 "work () 3",
                                 " (/a.py:2) 3",
                                 "Returns the 3 largest of 10"}) {
    const Parsed parsed = parse(line + "\n");
    EXPECT_THAT(parsed.stacks, IsEmpty()) << line;
    EXPECT_EQ(parsed.counters.bad_lines, 1U) << line;
  }
}

TEST(PySpyOutputParser, does_not_believe_the_doc_strings_of_the_program) {
  EXPECT_TRUE(parse("Return the arithmetic mean of data.\n\n    >>> mean([1, 2, 3, 4, 4])\n"
                    "    2.8\n\nIf ``data`` is empty, StatisticsError will be raised.\n" +
                    std::string(kStacks))
                  .is_corrupt);
  std::string later;
  for (int i = 0; i < 10; ++i) {
    later += "work (/a.py:2) 5\n";
  }
  EXPECT_FALSE(parse(later + "text\ntext\n").is_corrupt);
  for (int i = 0; i < 11; ++i) {
    later += "text\n";
  }
  EXPECT_TRUE(parse(later).is_corrupt);
  EXPECT_FALSE(parse("text\nwork (/a.py:2) 5\n").is_corrupt) << "half of them are stacks";
  EXPECT_TRUE(parse("text\ntext\nwork (/a.py:2) 5\n").is_corrupt);
}

TEST(PySpyOutputParser, holds_no_more_than_its_limits) {
  const std::string too_long(StackLines::kMaxLineBytes, 'x');
  const Parsed line = parse("work (/" + too_long + ".py:2) 5\n" + std::string(kStacks), false, 999);
  EXPECT_EQ(line.counters.bad_lines, 1U);
  EXPECT_EQ(line.stacks, parse(kStacks).stacks);
  std::string deep = "f (/a.py:1)";
  for (std::size_t i = 1; i < StackLines::kMaxFrames; ++i) {
    deep += ";f (/a.py:1)";
  }
  EXPECT_EQ(parse(deep + " 1\n").counters.stacks, 1U);
  EXPECT_EQ(parse(deep + ";f (/a.py:1) 1\n").counters.bad_lines, 1U);
}

}  // namespace
}  // namespace waggle
