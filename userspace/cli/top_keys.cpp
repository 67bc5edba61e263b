// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/top_keys.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace waggle {

namespace {

constexpr char kEscape = '\x1b';
constexpr char kDelete = '\x7f';
constexpr std::size_t kMaxFilter = 200;

enum class Key : std::uint8_t { character, escape, up, down, page_up, page_down, home, other };

struct Pressed {
  Key key = Key::other;
  char character = 0;
};

// What cursor keys send, by ECMA-48 and as xterm does.
constexpr auto kSequences = std::to_array<std::pair<std::string_view, Key>>({
    {"\x1b[A", Key::up},
    {"\x1bOA", Key::up},
    {"\x1b[B", Key::down},
    {"\x1bOB", Key::down},
    {"\x1b[5~", Key::page_up},
    {"\x1b[6~", Key::page_down},
    {"\x1b[H", Key::home},
    {"\x1bOH", Key::home},
    {"\x1b[1~", Key::home},
});

Pressed take_key(std::string_view& typed) {
  if (typed.front() != kEscape) {
    const char character = typed.front();
    typed.remove_prefix(1);
    return {.key = Key::character, .character = character};
  }
  for (const auto& [bytes, key] : kSequences) {
    if (typed.starts_with(bytes)) {
      typed.remove_prefix(bytes.size());
      return {.key = key};
    }
  }
  if (typed.size() == 1 || (typed[1] != '[' && typed[1] != 'O')) {
    typed.remove_prefix(1);
    return {.key = Key::escape};
  }
  // Another one: up to its final byte.
  std::size_t end = 2;
  while (end < typed.size() && (typed[end] < '@' || typed[end] > '~')) {
    ++end;
  }
  typed.remove_prefix(std::min(end + 1, typed.size()));
  return {};
}

void type(const Pressed& pressed, TopState& state) {
  std::string& filter = state.view.filter;
  if (pressed.key == Key::escape) {
    filter.clear();
    state.shown.is_typing = false;
  } else if (pressed.key != Key::character) {
    return;
  } else if (pressed.character == '\n' || pressed.character == '\r') {
    state.shown.is_typing = false;
  } else if (pressed.character == kDelete || pressed.character == '\b') {
    const auto is_tail = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
    while (!filter.empty() && is_tail(filter.back())) {
      filter.pop_back();
    }
    if (!filter.empty()) {
      filter.pop_back();
    }
  } else if (static_cast<unsigned char>(pressed.character) >= ' ' && filter.size() < kMaxFilter) {
    filter += pressed.character;
  }
  state.shown.first = 0;
}

void look_at(LiveBy by, TopState& state) {
  state.view.by = by;
  state.shown.first = 0;
}

void press_character(char character, TopState& state) {
  switch (character) {
    case 'f':
      return look_at(LiveBy::functions, state);
    case 'p':
      return look_at(LiveBy::processes, state);
    case 'c':
      return look_at(LiveBy::containers, state);
    case 's':
      state.view.order = LiveOrder::self;
      return;
    case 't':
      state.view.order = LiveOrder::total;
      return;
    case '/':
      state.shown.is_typing = true;
      state.shown.shows_keys = false;
      return;
    case ' ':
      state.shown.is_paused = !state.shown.is_paused;
      return;
    case '?':
    case 'h':
      state.shown.shows_keys = !state.shown.shows_keys;
      return;
    case 'q':
      state.is_over = true;
      return;
    default:
      return;
  }
}

void move(Key key, std::size_t rows, std::size_t page, std::size_t& first) {
  const std::size_t last = rows > page ? rows - page : 0;
  const std::size_t step = key == Key::up || key == Key::down ? 1 : std::max<std::size_t>(page, 1);
  if (key == Key::home) {
    first = 0;
  } else if (key == Key::up || key == Key::page_up) {
    first -= std::min(first, step);
  } else {
    first += step;
  }
  first = std::min(first, last);
}

}  // namespace

void press_keys(std::string_view typed, std::size_t rows, std::size_t page, TopState& state) {
  while (!typed.empty()) {
    Pressed pressed = take_key(typed);
    if (state.shown.is_typing) {
      type(pressed, state);
      continue;
    }
    if (pressed.key == Key::character && (pressed.character == 'j' || pressed.character == 'k')) {
      pressed.key = pressed.character == 'j' ? Key::down : Key::up;
    }
    if (pressed.key == Key::character) {
      press_character(pressed.character, state);
    } else if (pressed.key == Key::escape) {
      state.shown.shows_keys = false;
      state.view.filter.clear();
    } else if (pressed.key != Key::other) {
      move(pressed.key, rows, page, state.shown.first);
    }
  }
}

}  // namespace waggle
