// SPDX-License-Identifier: Apache-2.0
// Stacks as several tools write them, a line for each, root first:
//
//   frame;frame;frame COUNT
//
// Read as they come.  Names are read from the memory of a process that runs on, and are not
// escaped: anything can stand there.  Not for what is in a frame: the tool's own parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/line_splitter.h"

namespace waggle {

// What a line says: its frames in one piece, and its count.
struct CountedText {
  std::string_view text;
  std::uint64_t count;
};
// Nothing: it has no count from 1 to `max_count`, or a control character.
std::optional<CountedText> parse_counted(std::string_view line, std::uint64_t max_count);

constexpr std::size_t kMaxLineFrames = 4096;
// Appends "frame;frame".  False: an empty frame, or more than kMaxLineFrames in all.
bool split_frames(std::string_view text, std::vector<std::string_view>& frames);

struct StackLine {
  std::vector<std::string_view> frames;  // one at least, none empty
  std::uint64_t count = 0;               // 1 at least
};

// One thread.  Memory: one line.
class StackLines {
 public:
  static constexpr std::size_t kMaxLineBytes = 1 << 20;
  static constexpr std::size_t kMaxFrames = kMaxLineFrames;
  static constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 32;

  struct Counters {
    std::uint64_t stacks = 0;
    std::uint64_t bad_lines = 0;
  };

  // Texts are valid during the call only.  False: it is no stack of that tool.
  using OnStack = std::function<bool(const StackLine&)>;

  explicit StackLines(OnStack on_stack) : on_stack_(std::move(on_stack)) {}

  void feed(std::string_view piece);
  // After the last piece.  A line that no newline ends was not whole: it is a bad one.
  void finish();

  [[nodiscard]] const Counters& counters() const { return counters_; }
  // Of the first ten lines, or of all, fewer than half are stacks: the others are not to be
  // believed either.
  [[nodiscard]] bool is_corrupt() const;

 private:
  void take_line(std::string_view line);
  bool read_stack(std::string_view line);

  OnStack on_stack_;
  Counters counters_;
  Counters first_;  // of the first lines
  LineSplitter lines_{kMaxLineBytes};
  StackLine stack_;
};

}  // namespace waggle
