// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/terminal_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

Profile two_processes() {
  Profile profile;
  const auto none = profile.intern("");
  const auto web = profile.intern("web-1");
  const auto app = profile.intern("app");
  const auto nginx = profile.intern("nginx");
  const auto main = profile.intern("main");
  const auto parse = profile.intern("parse");
  profile.add({none, app, {main, parse, parse}}, 60);
  profile.add({none, app, {main}}, 15);
  profile.add({web, nginx, {main}}, 25);
  return profile;
}

RecordingFacts some_facts() {
  RecordingFacts facts;
  facts.event = "cpu-clock";
  facts.engine = "ebpf";
  facts.frequency = 50;
  facts.duration_s = 10;
  facts.samples = 1'234'567;
  facts.truncated = 3;
  return facts;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (const std::string_view line : split(text, '\n')) {
    lines.emplace_back(line);
  }
  EXPECT_EQ(lines.back(), "");  // ends in a newline
  lines.pop_back();
  return lines;
}

std::size_t columns_of(std::string_view line) {
  return static_cast<std::size_t>(std::ranges::count_if(
      line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

TEST(TerminalSummary, tells_samples_functions_processes_and_files) {
  const auto lines = lines_of(
      render_summary(two_processes(), some_facts(), {.written_paths = {"out/waggle.html"}}));
  EXPECT_EQ(lines.front(),
            "1,234,567 samples in 10.0 s at 50 Hz, 2.00 CPU seconds (cpu-clock, ebpf)");
  EXPECT_THAT(lines, Contains("lost 0 (0.0 %)"));
  EXPECT_THAT(lines, Contains("truncated 3 (0.0 %), throttled 0 (estimate)"));
  EXPECT_THAT(lines, Contains("  60.0 %   60.0 %  parse"));  // recursion counts once
  EXPECT_THAT(lines, Contains("  40.0 %  100.0 %  main"));
  EXPECT_THAT(lines, Contains("  75.0 %  app"));
  EXPECT_THAT(lines, Contains("  25.0 %  nginx in web-1"));
  EXPECT_EQ(lines.back(), "out/waggle.html");
}

TEST(TerminalSummary, puts_the_function_with_most_self_time_first) {
  const std::string text = render_summary(two_processes(), some_facts(), {});
  EXPECT_LT(text.find("  parse"), text.find("  main"));
}

TEST(TerminalSummary, names_every_counter_that_lost_samples) {
  RecordingFacts facts = some_facts();
  facts.samples = 1000;
  facts.lost = {{"ring full", 40}, {"never seen", 0}, {"table full", 10}};
  facts.throttled = 77;
  facts.command_status = 3;
  const auto lines = lines_of(render_summary(two_processes(), facts, {}));
  EXPECT_THAT(lines, Contains("lost 50 (5.0 %): ring full 40, table full 10"));
  EXPECT_THAT(lines, Contains(HasSubstr("throttled 77")));
  EXPECT_THAT(lines, Contains("command ended with status 3"));
}

TEST(TerminalSummary, stays_in_80_columns_and_25_lines) {
  Profile profile;
  for (int i = 0; i < 200; ++i) {
    const std::string number = std::to_string(i);
    std::string name = number + ": ";
    for (int repeat = 0; repeat < 60; ++repeat) {
      name += "größe";
    }
    profile.add({profile.intern(""), profile.intern("comm" + name), {profile.intern(name)}}, 1);
  }
  RecordingFacts facts = some_facts();
  for (int i = 0; i < 12; ++i) {
    facts.lost.emplace_back("a counter of medium length, number " + std::to_string(i), 12'345);
  }
  const auto lines =
      lines_of(render_summary(profile, facts, {.written_paths = {"a.html", "b.col"}}));
  EXPECT_LE(lines.size(), 25U);
  for (const std::string& line : lines) {
    EXPECT_LE(columns_of(line), 80U) << line;
  }
  EXPECT_THAT(lines, Contains(HasSubstr("number 11 12,345")));
  EXPECT_THAT(lines, Contains(HasSubstr("…")));
  EXPECT_EQ(lines.back(), "b.col");
}

TEST(TerminalSummary, has_colour_only_when_told) {
  RecordingFacts facts = some_facts();
  facts.lost = {{"ring full", 1}};
  EXPECT_THAT(render_summary(two_processes(), facts, {}), Not(HasSubstr("\x1b")));
  EXPECT_THAT(render_summary(two_processes(), facts, {.has_colour = true}),
              AllOf(HasSubstr("\x1b[1m"), HasSubstr("\x1b[33mlost 1")));
}

TEST(TerminalSummary, lets_no_name_command_the_terminal) {
  Profile profile;
  const auto evil = profile.intern("\x1b]0;title\x07\nforged line");
  profile.add({evil, evil, {evil}}, 1);
  const std::string text = render_summary(profile, some_facts(), {.written_paths = {"a\x1b[2J"}});
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\nforged")));
}

TEST(TerminalSummary, of_no_samples_divides_by_nothing) {
  RecordingFacts facts;
  facts.engine = "fallback";
  EXPECT_THAT(render_summary(Profile(), facts, {}), HasSubstr("0 samples in 0.0 s"));
}

}  // namespace
}  // namespace waggle
