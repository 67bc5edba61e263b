// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/output_parser.h"

#include <optional>
#include <utility>

#include "base/text.h"
#include "userspace/tools/stack_lines.h"

namespace waggle {

namespace {

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
  const auto counted = parse_counted(line, kMaxCount);
  if (!counted) {
    return false;
  }
  std::string_view rest = counted->text;
  stack_ = {.thread = {}, .tid = 0, .frames = std::move(stack_.frames), .count = counted->count};
  stack_.frames.clear();
  if (tells_threads_) {
    // A thread's name may hold ';': its frame ends at the first "]" before one.
    const std::size_t end = rest.find("];");
    if (end == std::string_view::npos || !read_thread(rest.substr(0, end + 1), stack_)) {
      return false;
    }
    rest.remove_prefix(end + 2);
  }
  return split_frames(rest, stack_.frames);
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
  // Cut, a line would have no count.
  lines_.feed(piece, [this](std::optional<std::string_view> line) {
    take_line(line.value_or(std::string_view()));
  });
}

void AsyncProfilerOutputParser::finish() {
  if (lines_.finish()) {
    take_line({});
  }
}

}  // namespace waggle
