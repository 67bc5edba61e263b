// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/output_parser.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' '; });
}

// "[NAME tid=NUMBER]"; the name may hold anything, so the number is the last.
bool read_thread(std::string_view text, AsyncProfilerStack& stack) {
  constexpr std::string_view kTid = " tid=";
  const std::size_t at = text.rfind(kTid);
  if (!text.starts_with('[') || !text.ends_with(']') || at == std::string_view::npos) {
    return false;
  }
  const std::size_t start = at + kTid.size();
  const auto tid = parse_number<pid_t>(text.substr(start, text.size() - start - 1));
  if (!tid || *tid <= 0) {
    return false;
  }
  stack.thread = text.substr(1, at - 1);
  stack.tid = *tid;
  return true;
}

}  // namespace

bool AsyncProfilerOutputParser::read_stack(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos || has_control_character(line)) {
    return false;
  }
  const auto count = parse_number<std::uint64_t>(line.substr(space + 1));
  if (!count || *count == 0 || *count > kMaxCount) {
    return false;
  }
  std::string_view rest = line.substr(0, space);
  stack_ = {.thread = {}, .tid = 0, .frames = std::move(stack_.frames), .count = *count};
  stack_.frames.clear();
  if (tells_threads_) {
    // A thread's name may hold ';': its frame ends at the first "]" before one.
    const std::size_t end = rest.find("];");
    if (end == std::string_view::npos || !read_thread(rest.substr(0, end + 1), stack_)) {
      return false;
    }
    rest.remove_prefix(end + 2);
  }
  while (true) {
    const std::size_t end = rest.find(';');
    const std::string_view text = rest.substr(0, end);
    if (text.empty() || stack_.frames.size() == kMaxFrames) {
      return false;
    }
    stack_.frames.push_back(text);
    if (end == std::string_view::npos) {
      return true;
    }
    rest.remove_prefix(end + 1);
  }
}

void AsyncProfilerOutputParser::take_line(std::string_view line) {
  if (read_stack(line)) {
    ++counters_.stacks;
    on_stack_(stack_);
  } else {
    ++counters_.bad_lines;
  }
}

void AsyncProfilerOutputParser::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t newline = piece.find('\n');
    const bool is_ended = newline != std::string_view::npos;
    const std::string_view part = piece.substr(0, newline);
    piece.remove_prefix(is_ended ? newline + 1 : piece.size());
    is_too_long_ |= line_.size() + part.size() > kMaxLineBytes;
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

void AsyncProfilerOutputParser::finish() {
  if (!line_.empty() || is_too_long_) {
    take_line({});
  }
  line_.clear();
  is_too_long_ = false;
}

}  // namespace waggle
