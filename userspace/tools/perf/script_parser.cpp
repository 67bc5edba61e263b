// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/script_parser.h"

#include <optional>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

std::string_view without_leading_blanks(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t");
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

// Cuts the text up to the first blank off `rest`.
std::string_view take_word(std::string_view& rest) {
  rest = without_leading_blanks(rest);
  const std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
  rest.remove_prefix(word.size());
  return word;
}

// "12.000345678:" -> 12000345678.
std::optional<std::uint64_t> parse_time(std::string_view text) {
  constexpr std::size_t kDigits = 9;
  const std::size_t dot = text.find('.');
  if (!text.ends_with(':') || dot == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view fraction = text.substr(dot + 1, text.size() - dot - 2);
  const auto seconds = parse_number<std::uint64_t>(text.substr(0, dot));
  const auto nanoseconds = parse_number<std::uint64_t>(fraction);
  constexpr std::uint64_t kMaxSeconds = 1'000'000'000'000;  // no overflow below
  if (!seconds || !nanoseconds || fraction.size() != kDigits || *seconds > kMaxSeconds) {
    return std::nullopt;
  }
  return *seconds * kSecondNs + *nanoseconds;
}

// "12/34"; perf has -1 for tasks that are gone.
std::optional<std::pair<pid_t, pid_t>> parse_ids(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto pid = parse_number<pid_t>(text.substr(0, slash));
  const auto tid = parse_number<pid_t>(text.substr(slash + 1));
  return pid && tid ? std::optional(std::pair(*pid, *tid)) : std::nullopt;
}

// Where " (object)" begins at the end of a frame's line; npos when there is none.  Symbols and
// paths hold blanks and parentheses themselves.
std::size_t find_object(std::string_view text) {
  constexpr std::string_view kDeleted = " (deleted))";
  const std::size_t end = text.ends_with(kDeleted) ? text.size() - kDeleted.size() : text.size();
  const std::string_view head = text.substr(0, end);
  for (const std::string_view start : {" (/", " (["}) {
    if (const std::size_t found = head.rfind(start); found != std::string_view::npos) {
      return found;
    }
  }
  return head.rfind(" (");
}

}  // namespace

PerfScriptParser::Text PerfScriptParser::keep(std::string_view text) {
  const Text kept{.start = texts_.size(), .size = text.size()};
  texts_ += text;
  return kept;
}

// A line of at most kMaxLineBytes, without its newline.
void PerfScriptParser::take_line(std::string_view line) {
  if (line.empty()) {
    end_sample();
    return;
  }
  const bool is_taken =
      is_in_sample_ && line.front() == '\t' ? take_frame(line) : take_header(line);
  if (!is_taken) {
    ++counters_.bad_lines;
  }
}

bool PerfScriptParser::take_header(std::string_view line) {
  std::string_view rest = line;
  const auto ids = parse_ids(take_word(rest));
  const auto time_ns = ids ? parse_time(take_word(rest)) : std::nullopt;
  rest = without_leading_blanks(rest);
  while (rest.ends_with(' ') || rest.ends_with(':')) {
    rest.remove_suffix(1);
  }
  if (!time_ns || rest != event_) {
    return false;
  }
  end_sample();
  sample_.pid = ids->first;
  sample_.tid = ids->second;
  sample_.time_ns = *time_ns;
  sample_.is_cut = false;
  is_in_sample_ = true;
  return true;
}

bool PerfScriptParser::take_frame(std::string_view line) {
  std::string_view rest = line;
  const auto address = parse_number<std::uint64_t>(take_word(rest), 16);
  if (!address || !rest.starts_with(' ')) {
    return false;
  }
  rest.remove_prefix(1);
  const std::size_t at = rest.ends_with(')') ? find_object(rest) : std::string_view::npos;
  const std::string_view symbol = rest.substr(0, at);
  const std::string_view object = at == std::string_view::npos
                                      ? std::string_view("[unknown]")  // the line was cut
                                      : rest.substr(at + 2, rest.size() - at - 3);
  if (frames_.size() >= kMaxFrames ||
      texts_.size() + symbol.size() + object.size() > kMaxSampleBytes) {
    sample_.is_cut = true;
    return true;
  }
  frames_.push_back({.address = *address, .symbol = keep(symbol), .object = keep(object)});
  return true;
}

void PerfScriptParser::end_sample() {
  if (!is_in_sample_) {
    return;
  }
  const auto text_of = [this](const Text& text) {
    return std::string_view(texts_).substr(text.start, text.size);
  };
  sample_.frames.clear();
  for (const Frame& frame : frames_) {
    sample_.frames.push_back({.address = frame.address,
                              .symbol = text_of(frame.symbol),
                              .object = text_of(frame.object)});
  }
  ++counters_.samples;
  on_sample_(sample_);
  is_in_sample_ = false;
  texts_.clear();
  frames_.clear();
}

void PerfScriptParser::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t newline = piece.find('\n');
    const std::string_view part = piece.substr(0, newline);
    const bool is_ended = newline != std::string_view::npos;
    piece.remove_prefix(is_ended ? newline + 1 : piece.size());
    if (is_ended && line_.empty()) {
      take_line(part.substr(0, kMaxLineBytes));
      continue;
    }
    line_ += part.substr(0, kMaxLineBytes - line_.size());
    if (is_ended) {
      take_line(line_);
      line_.clear();
    }
  }
}

void PerfScriptParser::finish(bool is_whole) {
  if (is_whole) {
    if (!line_.empty()) {
      take_line(line_);
    }
    end_sample();
  }
  line_.clear();
  is_in_sample_ = false;
  texts_.clear();
  frames_.clear();
}

}  // namespace waggle
