// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/live_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace waggle {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

LiveTable some_table() {
  return {.rows = {{.name = "parse\x1b[2J", .self = 99.95, .total = 100},
                   {.name = "main", .self = 1.5, .total = 101.5}},
          .seconds = 5,
          .busy = 101.5,
          .samples = 502,
          .lost = 0};
}

// Without colours and clearing.
std::vector<std::string> lines_of(std::string_view screen) {
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < screen.size(); ++i) {
    if (screen[i] == '\x1b') {
      i = screen.find_first_of("mK", i);
    } else if (screen[i] == '\n') {
      lines.emplace_back();
    } else if (screen[i] != '\r') {
      lines.back() += screen[i];
    }
  }
  return lines;
}

TEST(LiveText, fills_the_screen_and_no_more) {
  for (const ScreenSize size : {ScreenSize{24, 80}, ScreenSize{6, 30}, ScreenSize{2, 5}}) {
    const auto lines = lines_of(render_screen(some_table(), {}, {.frequency_hz = 99}, size));
    EXPECT_THAT(lines, SizeIs(size.rows));
    for (const std::string& line : lines) {
      const auto points = std::ranges::count_if(
          line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
      EXPECT_LE(static_cast<std::size_t>(points), size.columns) << line;
    }
  }
  EXPECT_EQ(render_screen(some_table(), {}, {}, {}), "");
}

TEST(LiveText, shows_rows_that_are_safe_to_print) {
  const std::string screen = render_screen(some_table(), {}, {.frequency_hz = 99}, {24, 80});
  EXPECT_THAT(screen, Not(HasSubstr("\x1b[2J")));
  const auto lines = lines_of(screen);
  EXPECT_THAT(lines[0], HasSubstr("last 5 s at 99 Hz: 502 samples, 101.5 % CPU, lost 0"));
  EXPECT_EQ(lines[2], "  self %*   total %  function");
  EXPECT_EQ(lines[4], "      1.5     101.5  main");
}

TEST(LiveText, starts_at_the_row_that_was_moved_to) {
  const auto lines = lines_of(render_screen(some_table(), {}, {.first = 1}, {24, 80}));
  EXPECT_THAT(lines[3], HasSubstr("main"));
  EXPECT_EQ(lines[4], "");
}

TEST(LiveText, has_one_time_for_what_calls_nothing) {
  const auto lines =
      lines_of(render_screen(some_table(), {.by = LiveBy::containers}, {}, {24, 80}));
  EXPECT_EQ(lines[2], "    CPU %  container");
  EXPECT_EQ(lines[4], "      1.5  main");
}

TEST(LiveText, tells_of_pause_filter_and_notice) {
  const LiveView filtered{.filter = "ma"};
  EXPECT_THAT(render_screen(some_table(), filtered, {.is_paused = true}, {24, 80}),
              HasSubstr("(paused)"));
  EXPECT_THAT(lines_of(render_screen(some_table(), filtered, {.is_typing = true}, {24, 80}))[1],
              HasSubstr("show only: ma_"));
  EXPECT_THAT(
      lines_of(render_screen(some_table(), filtered, {.notice = "CPU 3 is gone"}, {24, 80}))[1],
      HasSubstr("CPU 3 is gone"));
  EXPECT_THAT(render_screen(some_table(), filtered, {.shows_keys = true}, {24, 80}),
              HasSubstr("by container"));
}

TEST(LiveText, is_plain_for_files) {
  const std::string text = render_plain(some_table(), {}, {.frequency_hz = 99}, 1);
  EXPECT_EQ(text,
            "1970-01-01T00:00:00Z last 5 s at 99 Hz: 502 samples, 101.5 % CPU, lost 0\n"
            "  self %*   total %  function\n"
            "    100.0     100.0  parse?[2J\n"
            "\n");
}

}  // namespace
}  // namespace waggle
