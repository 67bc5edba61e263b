// SPDX-License-Identifier: Apache-2.0
// What async-profiler writes as "collapsed", piece by piece:
//
//     FRAME;FRAME 12        root first, then how often it was seen
//
// With threads the first frame is "[NAME tid=NUMBER]".  Names of Java hold no ';' (async-profiler
// writes '|'), those of native functions any byte but a newline.
//
// Untrusted: the JVM writes it.  Every length has a limit.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/line_splitter.h"
#include "userspace/tools/stack_lines.h"

namespace waggle {

struct AsyncProfilerStack {
  std::string_view thread;               // its name; "" where threads are not told apart
  pid_t tid;                             // in the JVM's own pid namespace; 0 likewise
  std::vector<std::string_view> frames;  // root first, one at least
  std::uint64_t count;                   // 1 at least
};

// One thread.  Memory: one line.
class AsyncProfilerOutputParser {
 public:
  static constexpr std::size_t kMaxLineBytes = 1 << 20;
  // 2,048 of Java, 128 native, more with vtables.
  static constexpr std::size_t kMaxFrames = kMaxLineFrames;
  static constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 48;  // of bytes too

  struct Counters {
    std::uint64_t stacks = 0;
    std::uint64_t bad_lines = 0;
  };

  // Texts are valid during the call only.
  using OnStack = std::function<void(const AsyncProfilerStack&)>;

  AsyncProfilerOutputParser(bool tells_threads, OnStack on_stack)
      : tells_threads_(tells_threads), on_stack_(std::move(on_stack)) {}

  void feed(std::string_view piece);
  // After the last piece.  A line that no newline ends was not whole: it is a bad one.
  void finish();

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  void take_line(std::string_view line);
  bool read_stack(std::string_view line);

  bool tells_threads_;
  OnStack on_stack_;
  Counters counters_;
  LineSplitter lines_{kMaxLineBytes};
  AsyncProfilerStack stack_{};
};

}  // namespace waggle
