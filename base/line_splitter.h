// SPDX-License-Identifier: Apache-2.0
// The lines of a text that comes in pieces.  Memory: one line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace waggle {

class LineSplitter {
 public:
  explicit LineSplitter(std::size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

  // take(std::optional<std::string_view>): a line without its newline, valid during the call;
  // nothing for one that is longer than the limit.
  template <class Take>
  void feed(std::string_view piece, const Take& take) {
    while (!piece.empty()) {
      const std::size_t newline = piece.find('\n');
      const bool is_ended = newline != std::string_view::npos;
      const std::string_view part = piece.substr(0, newline);
      piece.remove_prefix(is_ended ? newline + 1 : piece.size());
      is_too_long_ |= line_.size() + part.size() > max_line_bytes_;
      const bool is_whole_here = is_ended && line_.empty() && !is_too_long_;
      if (is_whole_here) {
        take(std::optional(part));
        continue;
      }
      if (!is_too_long_) {
        line_ += part;
      }
      if (is_ended) {
        take(is_too_long_ ? std::nullopt : std::optional<std::string_view>(line_));
        forget();
      }
    }
  }

  // After the last piece.  True: a line was left that no newline ended; it is dropped.
  bool finish() {
    const bool is_left = !line_.empty() || is_too_long_;
    forget();
    return is_left;
  }

 private:
  void forget() {
    line_.clear();
    is_too_long_ = false;
  }

  std::size_t max_line_bytes_;
  std::string line_;  // that began in an earlier piece
  bool is_too_long_ = false;
};

}  // namespace waggle
