// SPDX-License-Identifier: Apache-2.0
// When nothing was sampled, of sessions that follow one another.  Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

namespace waggle {

class SamplingGaps {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // It lasts until end().
  void begin(Time from) { since_ = from; }
  void end(Time until) {
    if (since_) {
      add(*since_, until);
      since_.reset();
    }
  }
  // There was none.
  void forget() { since_.reset(); }

  void add(Time from, Time until) {
    if (from < until) {
      total_ += until - from;
      gaps_.push_back({from, until});
    }
  }

  // What was before that time and has not been taken.
  std::chrono::nanoseconds take(Time until) {
    if (since_ && *since_ < until) {
      add(*since_, until);
      since_ = until;
    }
    std::chrono::nanoseconds sum{};
    for (Gap& gap : gaps_) {
      const Time end = std::min(gap.until, until);
      if (gap.from < end) {
        sum += end - gap.from;
        gap.from = end;
      }
    }
    std::erase_if(gaps_, [](const Gap& gap) { return gap.from >= gap.until; });
    return sum;
  }
  [[nodiscard]] std::chrono::nanoseconds total() const { return total_; }

 private:
  struct Gap {
    Time from, until;
  };

  std::optional<Time> since_;
  std::vector<Gap> gaps_;
  std::chrono::nanoseconds total_{};
};

}  // namespace waggle
