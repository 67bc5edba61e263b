// SPDX-License-Identifier: Apache-2.0
// What `py-spy record --format raw` wrote, line by line as it comes.  Not for what a frame is
// called in a profile.
//
// Format, as of py-spy 0.3 and 0.4: a line for each stack, root first,
//
//   frame;frame;frame COUNT
//
// where a frame is "NAME (FILE:LINE)", "NAME (FILE)" or "NAME", and with --threads the first one
// is "thread (ID): NAME" or "thread (ID)".  Names are read from the memory of a process that runs
// on, and are not escaped: anything can stand there.  It happened that whole texts of the program
// stood there instead of stacks: is_corrupt().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace waggle {

struct PySpyFrame {
  std::string_view name;
  std::string_view file;  // "" where there is none
  std::int32_t line;      // 0: not known
};

struct PySpyStack {
  std::string_view thread;         // "" where threads are not told apart
  std::vector<PySpyFrame> frames;  // root first, one at least
  std::uint64_t count;             // 1 at least
};

// One thread.  Memory: one line.
class PySpyOutputParser {
 public:
  static constexpr std::size_t kMaxLineBytes = 1 << 20;
  static constexpr std::size_t kMaxFrames = 4096;  // py-spy's own limit
  static constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 32;

  struct Counters {
    std::uint64_t stacks = 0;
    std::uint64_t bad_lines = 0;
  };

  // Texts are valid during the call only.
  using OnStack = std::function<void(const PySpyStack&)>;

  PySpyOutputParser(bool tells_threads, OnStack on_stack)
      : tells_threads_(tells_threads), on_stack_(std::move(on_stack)) {}

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

  bool tells_threads_;
  OnStack on_stack_;
  Counters counters_;
  Counters first_;    // of the first lines
  std::string line_;  // that began in an earlier piece
  bool is_too_long_ = false;
  PySpyStack stack_{};
};

}  // namespace waggle
