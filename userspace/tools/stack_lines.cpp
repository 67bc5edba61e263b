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

bool StackLines::read_stack(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos || has_control_character(line)) {
    return false;
  }
  const auto count = parse_number<std::uint64_t>(line.substr(space + 1));
  if (!count || *count == 0 || *count > kMaxCount) {
    return false;
  }
  stack_.count = *count;
  stack_.frames.clear();
  std::string_view rest = line.substr(0, space);
  while (true) {
    const std::size_t end = rest.find(';');
    const std::string_view frame = rest.substr(0, end);
    if (frame.empty() || stack_.frames.size() == kMaxFrames) {
      return false;
    }
    stack_.frames.push_back(frame);
    if (end == std::string_view::npos) {
      return on_stack_(stack_);
    }
    rest.remove_prefix(end + 1);
  }
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
