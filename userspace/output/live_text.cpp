// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/live_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "userspace/output/columns.h"

namespace waggle {

namespace {

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kReversed = "\x1b[7m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kEndOfLine = "\x1b[0m\x1b[K";

constexpr std::array<std::string_view, 9> kKeys = {
    "f, p, c   by function, by process, by container",
    "s, t      order functions by their own time, or with what they call",
    "/         show only names that hold what you type; Enter ends it, Esc takes it back",
    "space     pause and go on; samples are still taken",
    "up, down  move (also k, j, PgUp, PgDn, Home)",
    "?         these keys, and back",
    "q         quit (also Ctrl-C)",
    "",
    "100 % is one CPU.",
};

std::string_view title_of(LiveBy by) {
  switch (by) {
    case LiveBy::functions:
      return "function";
    case LiveBy::processes:
      return "process";
    case LiveBy::containers:
      break;
  }
  return "container";
}

// Both columns for functions; the rest have their own time alone.
std::string heading(const LiveView& view) {
  if (view.by != LiveBy::functions) {
    return fmt::format("    CPU %  {}", title_of(view.by));
  }
  const bool is_by_self = view.order == LiveOrder::self;
  return fmt::format("{:>9}{:>10}  function", is_by_self ? "self %*" : "self %",
                     is_by_self ? "total %" : "total %*");
}

std::string row_text(const LiveRow& row, const LiveView& view) {
  return view.by == LiveBy::functions
             ? fmt::format("{:9.1f}{:10.1f}  {}", row.self, row.total, printable(row.name))
             : fmt::format("{:9.1f}  {}", row.self, printable(row.name));
}

std::string facts_line(const LiveTable& table, const LiveState& state) {
  return fmt::format("{}last {:.0f} s at {} Hz: {} samples, {:.1f} % CPU, lost {}",
                     state.is_paused ? "(paused) " : "", table.seconds, state.frequency_hz,
                     table.samples, table.busy, table.lost);
}

std::string filter_line(const LiveView& view, const LiveState& state) {
  if (state.is_typing) {
    return fmt::format("show only: {}_", printable(view.filter));
  }
  return view.filter.empty() ? "" : fmt::format("only: {}  (/ to change)", printable(view.filter));
}

// Lines of a screen.
class Screen {
 public:
  explicit Screen(ScreenSize size) : size_(size) {}
  [[nodiscard]] std::size_t room() const { return size_.rows - std::min(size_.rows, used_); }
  void add(std::string_view text, std::string_view style = {}) {
    if (room() == 0) {
      return;
    }
    text_ += used_++ == 0 ? "" : "\r\n";
    text_.append(style).append(in_columns(text, size_.columns)).append(kEndOfLine);
  }
  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  ScreenSize size_;
  std::size_t used_ = 0;
  std::string text_;
};

}  // namespace

std::string render_screen(const LiveTable& table, const LiveView& view, const LiveState& state,
                          ScreenSize size) {
  Screen screen(size);
  screen.add(fmt::format("waggle top  {:%H:%M:%S}  {}",
                         fmt::gmtime(std::chrono::system_clock::to_time_t(state.time)),
                         facts_line(table, state)),
             table.lost > 0 ? kYellow : kBold);
  screen.add(state.notice.empty() ? filter_line(view, state) : printable(state.notice),
             state.notice.empty() ? std::string_view() : kYellow);
  if (state.shows_keys) {
    for (const std::string_view line : kKeys) {
      screen.add(line);
    }
    while (screen.room() > 0) {
      screen.add("");
    }
    return std::move(screen).text();
  }
  screen.add(heading(view), kReversed);
  for (std::size_t i = state.first; screen.room() > 1; ++i) {
    screen.add(i < table.rows.size() ? row_text(table.rows[i], view) : "");
  }
  screen.add("f p c: by what   s t: order   /: filter   space: pause   ?: keys   q: quit");
  return std::move(screen).text();
}

std::string render_plain(const LiveTable& table, const LiveView& view, const LiveState& state,
                         std::size_t rows) {
  std::string text = fmt::format("{:%Y-%m-%dT%H:%M:%SZ} {}\n{}\n",
                                 fmt::gmtime(std::chrono::system_clock::to_time_t(state.time)),
                                 facts_line(table, state), heading(view));
  for (std::size_t i = 0; i < std::min(rows, table.rows.size()); ++i) {
    text.append(row_text(table.rows[i], view)).append("\n");
  }
  return text + "\n";
}

}  // namespace waggle
