// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/py_spy/output_parser.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/text.h"

namespace waggle {

namespace {

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

}  // namespace

PySpyOutputParser::PySpyOutputParser(bool tells_threads, OnStack on_stack)
    : tells_threads_(tells_threads),
      on_stack_(std::move(on_stack)),
      lines_([this](const StackLine& line) { return take(line); }) {}

bool PySpyOutputParser::take(const StackLine& line) {
  stack_.thread = {};
  stack_.count = line.count;
  stack_.frames.clear();
  bool has_file = false;
  std::span<const std::string_view> frames = line.frames;
  if (const auto thread = tells_threads_ ? read_thread(frames.front()) : std::nullopt) {
    stack_.thread = *thread;
    frames = frames.subspan(1);
  }
  for (const std::string_view frame : frames) {
    stack_.frames.push_back(read_frame(frame));
    has_file |= !stack_.frames.back().file.empty();
  }
  if (has_file) {  // a text that ends with a number has none
    on_stack_(stack_);
  }
  return has_file;
}

}  // namespace waggle
