// SPDX-License-Identifier: Apache-2.0
// How a moment of `waggle top` looks: on a screen, or as lines of a text.  Not for the terminal
// itself: cli/terminal.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "userspace/output/live_table.h"

namespace waggle {

struct LiveState {
  std::chrono::system_clock::time_point time = {};
  int frequency_hz = 0;
  bool is_paused = false;
  bool is_typing = false;   // the filter
  bool shows_keys = false;  // in the place of the rows
  std::size_t first = 0;    // row, counted from 0
  std::string notice = {};  // the last warning; "": none
};

struct ScreenSize {
  std::size_t rows = 0;
  std::size_t columns = 0;
};

// At most size.rows lines of at most size.columns code points each, joined by "\r\n", with colours;
// each clears the rest of its own line.
std::string render_screen(const LiveTable& table, const LiveView& view, const LiveState& state,
                          ScreenSize size);

// A line for the moment, a line for each of the first `rows`, an empty one.
std::string render_plain(const LiveTable& table, const LiveView& view, const LiveState& state,
                         std::size_t rows);

}  // namespace waggle
