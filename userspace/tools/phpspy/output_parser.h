// SPDX-License-Identifier: Apache-2.0
// What phpspy prints, as it comes.
//
// Format, of its versions 0.5 to 0.7 with --verbose-fields=p: a block for each stack, leaf first,
// and an empty line behind it (before 0.5 "# - - - - -"):
//
//   0 Memcached::get <internal>:-1
//   1 <main> /srv/index.php:15
//   # pid = 455
//
// Other lines that begin with "# " are told on request only, and passed over.  Names are read from
// the memory of a process that runs on, and are not escaped; what several of its threads print can
// be mixed up.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/line_splitter.h"

namespace waggle {

struct PhpspyStack {
  pid_t pid;
  std::vector<std::string_view> frames;  // root first, "NAME FILE:LINE", one at least
};

// As a frame is in a profile.
std::string phpspy_frame_text(std::string_view frame);

// One thread.  Memory: one block.
class PhpspyOutputParser {
 public:
  static constexpr std::size_t kMaxLineBytes = 1 << 16;
  static constexpr std::size_t kMaxFrames = 4096;
  static constexpr std::size_t kMaxBlockBytes = 1 << 20;

  struct Counters {
    std::uint64_t stacks = 0;
    std::uint64_t bad_blocks = 0;
  };

  // Texts are valid during the call only.
  using OnStack = std::function<void(const PhpspyStack&)>;

  explicit PhpspyOutputParser(OnStack on_stack) : on_stack_(std::move(on_stack)) {}

  void feed(std::string_view piece);
  // After the last piece.  A block that nothing ended was not whole, and is dropped.
  void finish();

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  void take_line(std::optional<std::string_view> line);
  bool take_frame(std::string_view line);
  bool take_comment(std::string_view line);
  void end_block();

  OnStack on_stack_;
  Counters counters_;
  LineSplitter lines_{kMaxLineBytes};
  // Of the block.
  bool is_begun_ = false;
  bool is_bad_ = false;
  std::optional<pid_t> pid_;
  std::string texts_;
  std::vector<std::pair<std::size_t, std::size_t>> frames_;  // in texts_, leaf first
  PhpspyStack stack_{};
};

}  // namespace waggle
