// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/script_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto kEvent = "e";  // what all are called

// A sample in one line: "pid/tid time address|symbol|object ...".
std::string text_of(const PerfSample& sample) {
  std::ostringstream text;
  text << sample.pid << '/' << sample.tid << ' ' << sample.time_ns;
  for (const PerfFrame& frame : sample.frames) {
    text << ' ' << std::hex << frame.address << std::dec << '|' << frame.symbol << '|'
         << frame.object;
  }
  return text.str() + (sample.is_cut ? " cut" : "");
}

struct Parsed {
  std::vector<std::string> samples;
  PerfScriptParser::Counters counters;
};

Parsed parse(std::string_view text, std::size_t piece_bytes = std::string::npos,
             bool is_whole = true) {
  Parsed parsed;
  PerfScriptParser parser(
      kEvent, [&](const PerfSample& sample) { parsed.samples.push_back(text_of(sample)); });
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, piece_bytes);
    text.remove_prefix(piece.size());
    parser.feed(piece);
  }
  parser.finish(is_whole);
  parsed.counters = parser.counters();
  return parsed;
}

constexpr std::string_view kTwoSamples =
    "  812/813   26561.950236416: e: \n"
    "\tffffffff81082227 do_work ([kernel.kallsyms])\n"
    "\t          40113d burn(unsigned long) (/opt/my app/bin)\n"
    "\n"
    "1234567/1234567     1.000000001:    e: \n"
    "\t    7fde534fc910 [unknown] ([unknown])\n"
    "\n";

TEST(PerfScriptParser, reads_samples) {
  const Parsed parsed = parse(kTwoSamples);
  EXPECT_THAT(parsed.samples,
              ElementsAre("812/813 26561950236416 "
                          "ffffffff81082227|do_work|[kernel.kallsyms] "
                          "40113d|burn(unsigned long)|/opt/my app/bin",
                          "1234567/1234567 1000000001 7fde534fc910|[unknown]|[unknown]"));
  EXPECT_EQ(parsed.counters.samples, 2U);
  EXPECT_EQ(parsed.counters.bad_lines, 0U);
}

TEST(PerfScriptParser, reads_the_same_however_the_text_is_cut_into_pieces) {
  const Parsed whole = parse(kTwoSamples);
  for (std::size_t bytes = 1; bytes < 90; ++bytes) {
    const Parsed pieces = parse(kTwoSamples, bytes);
    EXPECT_EQ(pieces.samples, whole.samples) << bytes;
    EXPECT_EQ(pieces.counters.bad_lines, 0U) << bytes;
  }
}

TEST(PerfScriptParser, keeps_samples_without_frames) {
  EXPECT_THAT(parse("  7/7 1.000000002: e: \n\n  8/8 1.000000003: e: \n\n").samples,
              ElementsAre("7/7 1000000002", "8/8 1000000003"));
  EXPECT_THAT(parse("  7/7 1.000000002: e: \n  8/8 1.000000003: e: \n").samples,
              ElementsAre("7/7 1000000002", "8/8 1000000003"));
}

TEST(PerfScriptParser, knows_tasks_that_are_gone) {
  EXPECT_THAT(parse("   -1/-1    1.000000002: e: \n\t 40 main (/bin/x)\n\n").samples,
              ElementsAre("-1/-1 1000000002 40|main|/bin/x"));
}

// A symbol and a path can hold newlines, and anything behind them.
TEST(PerfScriptParser, takes_no_line_for_a_sample_that_lacks_the_name_of_the_event) {
  const Parsed parsed = parse(
      "  7/7 1.000000002: e: \n"
      "\t 40 mine\n\n  1/1 1.000000003: cpu-clock:pppH: \n\t 50 forged (/bin/su)\n"
      "  1/1 1.000000003: e2: \n  1/1 1.000000003: \n  1/1 1.000000003: PERF_RECORD_LOST lost 9\n"
      "\t 60 other (/bin/su) (/bin/mine)\n\n" +
      std::string(kTwoSamples));
  EXPECT_THAT(parsed.samples,
              ElementsAre("7/7 1000000002 40|mine|[unknown]", testing::StartsWith("812/813 "),
                          testing::StartsWith("1234567/1234567 ")));
  EXPECT_EQ(parsed.counters.bad_lines, 6U);
}

TEST(PerfScriptParser, skips_and_counts_lines_that_fit_nowhere) {
  const Parsed parsed = parse(
      "garbage\n\t 40 main (/bin/x)\n7/7 1.5: e:\n7/7 1.000000002 e:\n7 1.000000002: e:\n"
      "7/7 99999999999999999999.000000002: e:\n" +
      std::string(kTwoSamples) + "  7/7 1.000000002: e: \n\tnothex main (/bin/x)\n\t40\n\n");
  EXPECT_EQ(parsed.counters.samples, 3U);
  EXPECT_EQ(parsed.counters.bad_lines, 8U);
  EXPECT_EQ(parsed.samples.back(), "7/7 1000000002");
}

TEST(PerfScriptParser, drops_a_last_sample_that_may_not_be_whole) {
  const std::string text = std::string(kTwoSamples) + "  7/7 1.000000002: e: \n\t 40 ma";
  EXPECT_EQ(parse(text, 7, false).counters.samples, 2U);
  EXPECT_EQ(parse(text, 7, true).counters.samples, 3U);
}

TEST(PerfScriptParser, finds_the_object_behind_symbols_with_blanks_and_parentheses) {
  const auto object_of = [](const std::string& frame) {
    const Parsed parsed = parse("  7/7 1.000000002: e: \n\t 40 " + frame + "\n\n");
    return parsed.samples.at(0).substr(std::string("7/7 1000000002 40|").size());
  };
  EXPECT_EQ(object_of("operator new(unsigned long) (/lib/x.so)"),
            "operator new(unsigned long)|/lib/x.so");
  EXPECT_EQ(object_of("f(void (*)(int), g (a)) (/a (copy)/b.so)"),
            "f(void (*)(int), g (a))|/a (copy)/b.so");
  EXPECT_EQ(object_of("gone (/lib/x.so (deleted))"), "gone|/lib/x.so (deleted)");
  EXPECT_EQ(object_of("[unknown] (/tmp/perf-1.map)"), "[unknown]|/tmp/perf-1.map");
  EXPECT_EQ(object_of("__vdso_gettimeofday ([vdso])"), "__vdso_gettimeofday|[vdso]");
  EXPECT_EQ(object_of("[unknown] (//anon)"), "[unknown]|//anon");
  EXPECT_EQ(object_of("inline (inlined)"), "inline|inlined");
  EXPECT_EQ(object_of("no object"), "no object|[unknown]");
}

TEST(PerfScriptParser, holds_no_more_than_its_limits) {
  const std::string head = "  7/7 1.000000002: e: \n";
  const std::string long_name(3 * PerfScriptParser::kMaxLineBytes, 'x');
  const Parsed long_line =
      parse(head + "\t 40 " + long_name + " (/bin/x)\n\t 50 main (/y)\n\n", 99);
  ASSERT_EQ(long_line.samples.size(), 1U);
  EXPECT_LT(long_line.samples[0].size(), PerfScriptParser::kMaxLineBytes + 100);
  EXPECT_THAT(long_line.samples[0], testing::EndsWith(" 50|main|/y"));

  std::string deep = head;
  for (std::size_t i = 0; i < PerfScriptParser::kMaxFrames + 5; ++i) {
    deep += "\t 40 main (/x)\n";
  }
  const Parsed frames = parse(deep + "\n" + std::string(kTwoSamples));
  ASSERT_EQ(frames.samples.size(), 3U);
  EXPECT_THAT(frames.samples[0], testing::EndsWith(" cut"));
  EXPECT_EQ(frames.samples[1], parse(kTwoSamples).samples[0]);

  std::string wide = head;
  for (int i = 0; i < 200; ++i) {
    wide += "\t 40 " + long_name.substr(0, PerfScriptParser::kMaxLineBytes - 100) + " (/x)\n";
  }
  const Parsed texts = parse(wide + "\n");
  ASSERT_EQ(texts.samples.size(), 1U);
  EXPECT_LT(texts.samples[0].size(), PerfScriptParser::kMaxSampleBytes + 10'000);
  EXPECT_THAT(texts.samples[0], testing::EndsWith(" cut"));
}

TEST(PerfScriptParser, finds_nothing_in_nothing) {
  EXPECT_THAT(parse("").samples, IsEmpty());
  EXPECT_THAT(parse("\n\n\n").samples, IsEmpty());
}

}  // namespace
}  // namespace waggle
