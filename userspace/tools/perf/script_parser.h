// SPDX-License-Identifier: Apache-2.0
// The text of `perf script`, sample by sample as it comes.  Not for what a frame is called in a
// profile: frame_text.h.
//
// Format, as of perf 4.15 to 6.12 with -F pid,tid,time,event,ip,sym,dso --ns:
//
//       pid/tid  seconds.nanoseconds: event:
//   <tab> address symbol (object)          leaf first
//   <empty line>
//
// Names of symbols and objects are chosen by whoever is profiled and stand there as they are,
// newlines too.  A line begins a sample only where it has the event's name, which is secret
// (data_file.h), so that a process can forge no more than what its own stacks look like.  Lines
// that fit nowhere are counted and skipped, limits hold.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace waggle {

struct PerfFrame {
  std::uint64_t address;
  std::string_view symbol;  // "[unknown]" where perf has none
  std::string_view object;  // path or "[vdso]", "[unknown]", "[kernel.kallsyms]"
};

struct PerfSample {
  pid_t pid;
  pid_t tid;
  std::uint64_t time_ns;          // of perf's clock
  std::vector<PerfFrame> frames;  // leaf first
  bool is_cut;                    // a limit left frames out
};

// One thread.  Memory: one sample, bounded by the limits.
class PerfScriptParser {
 public:
  static constexpr std::size_t kMaxLineBytes = 16384;  // a longer line is cut
  static constexpr std::size_t kMaxSampleBytes = 1 << 20;
  static constexpr std::size_t kMaxFrames = 4096;

  struct Counters {
    std::uint64_t samples = 0;
    std::uint64_t bad_lines = 0;
  };

  // Texts are valid during the call only.
  using OnSample = std::function<void(const PerfSample&)>;

  // event: the name that each event has.
  PerfScriptParser(std::string event, OnSample on_sample)
      : event_(std::move(event)), on_sample_(std::move(on_sample)) {}

  void feed(std::string_view piece);
  // After the last piece.  A sample that no empty line ended was not whole, and is dropped, unless
  // the program that printed it came to its own end.
  void finish(bool is_whole);

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Text {
    std::size_t start, size;
  };
  struct Frame {
    std::uint64_t address;
    Text symbol, object;
  };

  void take_line(std::string_view line);
  bool take_header(std::string_view line);
  bool take_frame(std::string_view line);
  Text keep(std::string_view text);
  void end_sample();

  std::string event_;
  OnSample on_sample_;
  Counters counters_;
  std::string line_;  // that began in an earlier piece
  bool is_in_sample_ = false;
  PerfSample sample_{};
  std::string texts_;          // of the sample
  std::vector<Frame> frames_;  // of the sample
};

}  // namespace waggle
