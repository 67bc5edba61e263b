// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/py_spy/output_parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::uint64_t kFirstLines = 10;

// "NAME (FILE:LINE)".  Names of functions hold no " (", files may.
PySpyFrame read_frame(std::string_view text) {
  PySpyFrame frame{.name = text, .file = {}, .line = 0};
  const std::size_t open = text.find(" (");
  if (open == std::string_view::npos || open == 0 || !text.ends_with(')')) {
    return frame;
  }
  std::string_view place = text.substr(open + 2, text.size() - open - 3);
  if (const std::size_t colon = place.rfind(':'); colon != std::string_view::npos) {
    if (const auto line = parse_number<std::int32_t>(place.substr(colon + 1)); line && *line >= 0) {
      frame.line = *line;
      place = place.substr(0, colon);
    }
  }
  if (place.empty()) {
    return {.name = text, .file = {}, .line = 0};
  }
  frame.name = text.substr(0, open);
  frame.file = place;
  return frame;
}

// "thread (ID): NAME" -> NAME, "thread (ID)" -> ID.
std::optional<std::string_view> read_thread(std::string_view text) {
  constexpr std::string_view kStart = "thread (";
  if (!text.starts_with(kStart)) {
    return std::nullopt;
  }
  const std::size_t close = text.find(')', kStart.size());
  if (close == std::string_view::npos) {
    return std::nullopt;
  }
  constexpr std::string_view kSeparator = "): ";
  const std::string_view rest = text.substr(close);
  return rest.starts_with(kSeparator) ? rest.substr(kSeparator.size())
                                      : text.substr(kStart.size(), close - kStart.size());
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' '; });
}

bool is_mostly_bad(const PySpyOutputParser::Counters& counters) {
  return counters.bad_lines > counters.stacks;
}

}  // namespace

bool PySpyOutputParser::read_stack(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos || has_control_character(line)) {
    return false;
  }
  const auto count = parse_number<std::uint64_t>(line.substr(space + 1));
  if (!count || *count == 0 || *count > kMaxCount) {
    return false;
  }
  std::string_view rest = line.substr(0, space);
  stack_ = {.thread = {}, .frames = std::move(stack_.frames), .count = *count};
  stack_.frames.clear();
  bool is_first = true;
  bool has_file = false;
  while (true) {
    const std::size_t end = rest.find(';');
    const std::string_view text = rest.substr(0, end);
    const auto thread = is_first && tells_threads_ ? read_thread(text) : std::nullopt;
    if (text.empty() || stack_.frames.size() == kMaxFrames) {
      return false;
    }
    if (thread) {
      stack_.thread = *thread;
    } else {
      stack_.frames.push_back(read_frame(text));
      has_file |= !stack_.frames.back().file.empty();
    }
    if (end == std::string_view::npos) {
      return has_file;  // a text that ends with a number has none
    }
    rest.remove_prefix(end + 1);
    is_first = false;
  }
}

void PySpyOutputParser::take_line(std::string_view line) {
  const bool is_stack = read_stack(line);
  const bool is_early = counters_.stacks + counters_.bad_lines < kFirstLines;
  ++(is_stack ? counters_.stacks : counters_.bad_lines);
  if (is_early) {
    first_ = counters_;
  }
  if (is_stack) {
    on_stack_(stack_);
  }
}

bool PySpyOutputParser::is_corrupt() const {
  return is_mostly_bad(first_) || is_mostly_bad(counters_);
}

void PySpyOutputParser::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t newline = piece.find('\n');
    const bool is_ended = newline != std::string_view::npos;
    const std::string_view part = piece.substr(0, newline);
    piece.remove_prefix(is_ended ? newline + 1 : piece.size());
    is_too_long_ |= line_.size() + part.size() > kMaxLineBytes;
    if (is_ended && line_.empty() && !is_too_long_) {
      take_line(part);
      continue;
    }
    if (!is_too_long_) {
      line_ += part;
    }
    if (is_ended) {
      // Cut, it would have no count.
      take_line(std::exchange(is_too_long_, false) ? std::string_view() : line_);
      line_.clear();
    }
  }
}

void PySpyOutputParser::finish() {
  if (!line_.empty() || is_too_long_) {
    take_line({});
  }
  line_.clear();
  is_too_long_ = false;
}

}  // namespace waggle
