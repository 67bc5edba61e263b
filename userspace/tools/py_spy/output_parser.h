// SPDX-License-Identifier: Apache-2.0
// What `py-spy record --format raw` wrote, as it comes.  Not for what a frame is called in a
// profile.
//
// Format, as of py-spy 0.3 and 0.4: stack_lines.h, where a frame is "NAME (FILE:LINE)",
// "NAME (FILE)" or "NAME", and with --threads the first one is "thread (ID): NAME" or "thread
// (ID)".  It happened that whole texts of the program stood there instead of stacks: is_corrupt().
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "userspace/tools/stack_lines.h"

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
  using Counters = StackLines::Counters;
  // Texts are valid during the call only.
  using OnStack = std::function<void(const PySpyStack&)>;

  PySpyOutputParser(bool tells_threads, OnStack on_stack);
  PySpyOutputParser(const PySpyOutputParser&) = delete;  // lines_ calls it
  PySpyOutputParser& operator=(const PySpyOutputParser&) = delete;
  ~PySpyOutputParser() = default;

  void feed(std::string_view piece) { lines_.feed(piece); }
  void finish() { lines_.finish(); }

  [[nodiscard]] const Counters& counters() const { return lines_.counters(); }
  [[nodiscard]] bool is_corrupt() const { return lines_.is_corrupt(); }

 private:
  bool take(const StackLine& line);

  bool tells_threads_;
  OnStack on_stack_;
  StackLines lines_;
  PySpyStack stack_{};
};

}  // namespace waggle
