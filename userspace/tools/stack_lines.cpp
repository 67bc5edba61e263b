// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/stack_lines.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::uint64_t kFirstLines = 10;

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' '; });
}

bool is_mostly_bad(const StackLines::Counters& counters) {
  return counters.bad_lines > counters.stacks;
}

}  // namespace

std::optional<CountedText> parse_counted(std::string_view line, std::uint64_t max_count) {
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos || has_control_character(line)) {
    return std::nullopt;
  }
  const auto count = parse_number<std::uint64_t>(line.substr(space + 1));
  if (!count || *count == 0 || *count > max_count) {
    return std::nullopt;
  }
  return CountedText{.text = line.substr(0, space), .count = *count};
}

bool split_frames(std::string_view text, std::vector<std::string_view>& frames) {
  while (true) {
    const std::size_t end = text.find(';');
    const std::string_view frame = text.substr(0, end);
    if (frame.empty() || frames.size() == kMaxLineFrames) {
      return false;
    }
    frames.push_back(frame);
    if (end == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(end + 1);
  }
}

bool StackLines::read_stack(std::string_view line) {
  const auto counted = parse_counted(line, kMaxCount);
  if (!counted) {
    return false;
  }
  stack_.count = counted->count;
  stack_.frames.clear();
  return split_frames(counted->text, stack_.frames) && on_stack_(stack_);
}

void StackLines::take_line(std::string_view line) {
  const bool is_early = counters_.stacks + counters_.bad_lines < kFirstLines;
  ++(read_stack(line) ? counters_.stacks : counters_.bad_lines);
  if (is_early) {
    first_ = counters_;
  }
}

void StackLines::feed(std::string_view piece) {
  // Cut, a line would have no count.
  lines_.feed(piece, [this](std::optional<std::string_view> line) {
    take_line(line.value_or(std::string_view()));
  });
}

void StackLines::finish() {
  if (lines_.finish()) {
    take_line({});
  }
}

bool StackLines::is_corrupt() const {
  return is_mostly_bad(first_) || is_mostly_bad(counters_);
}

}  // namespace waggle
