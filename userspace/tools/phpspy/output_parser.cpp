// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/phpspy/output_parser.h"

#include <algorithm>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::string_view kComment = "# ";
constexpr std::string_view kPid = "# pid = ";
constexpr std::string_view kOldSeparator = "# - - - - -";

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' '; });
}

}  // namespace

std::string phpspy_frame_text(std::string_view frame) {
  return std::string(frame) + "_[php]";
}

// "1 <main> /srv/index.php:15": the next number, then a name and a place.
bool PhpspyOutputParser::take_frame(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || has_control_character(line)) {
    return false;
  }
  const auto number = parse_number<std::size_t>(line.substr(0, space));
  const std::string_view frame = line.substr(space + 1);
  const bool is_next = number == frames_.size();
  const bool has_room =
      frames_.size() < kMaxFrames && texts_.size() + frame.size() <= kMaxBlockBytes;
  if (!is_next || !has_room || frame.empty()) {
    return false;
  }
  frames_.emplace_back(texts_.size(), frame.size());
  texts_ += frame;
  return true;
}

bool PhpspyOutputParser::take_comment(std::string_view line) {
  if (!line.starts_with(kPid)) {
    return true;
  }
  const auto pid = parse_number<pid_t>(line.substr(kPid.size()));
  if (!pid || *pid <= 0 || pid_) {
    return false;
  }
  pid_ = *pid;
  return true;
}

void PhpspyOutputParser::end_block() {
  if (!is_begun_) {
    return;
  }
  if (is_bad_ || !pid_ || frames_.empty()) {
    ++counters_.bad_blocks;
  } else {
    ++counters_.stacks;
    stack_.pid = *pid_;
    stack_.frames.clear();
    const std::string_view texts = texts_;
    for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
      stack_.frames.push_back(texts.substr(frame->first, frame->second));
    }
    on_stack_(stack_);
  }
  is_begun_ = false;
  is_bad_ = false;
  pid_.reset();
  texts_.clear();
  frames_.clear();
}

void PhpspyOutputParser::take_line(std::optional<std::string_view> line) {
  const bool is_end = line && (line->empty() || *line == kOldSeparator);
  if (is_end) {
    end_block();
    return;
  }
  is_begun_ = true;
  const bool is_good =
      line && (line->starts_with(kComment) ? take_comment(*line) : take_frame(*line));
  is_bad_ |= !is_good;
}

void PhpspyOutputParser::feed(std::string_view piece) {
  lines_.feed(piece, [this](std::optional<std::string_view> line) { take_line(line); });
}

void PhpspyOutputParser::finish() {
  if (lines_.finish()) {
    take_line(std::nullopt);
  }
  is_bad_ |= is_begun_;
  end_block();
}

}  // namespace waggle
