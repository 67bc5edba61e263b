// SPDX-License-Identifier: Apache-2.0
// One line on a terminal that shows how far a recording is.  Nothing where stderr is no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace waggle {

class ProgressBar {
 public:
  // Without a duration the bar counts up.
  ProgressBar(bool is_wanted, std::optional<std::chrono::seconds> duration);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar() { clear(); }

  void show(std::chrono::milliseconds elapsed, std::uint64_t samples);
  // Leaves an empty line for what comes next.
  void clear();

 private:
  bool is_shown_;
  std::optional<std::chrono::seconds> duration_;
};

}  // namespace waggle
