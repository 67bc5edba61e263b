// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/progress_bar.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace waggle {

namespace {

constexpr long kBarWidth = 30;

std::string bar(double share) {
  const long filled =
      std::clamp(static_cast<long>(share * static_cast<double>(kBarWidth)), 0L, kBarWidth);
  return std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(kBarWidth - filled), '.');
}

}  // namespace

ProgressBar::ProgressBar(bool is_wanted, std::optional<std::chrono::seconds> duration)
    : is_shown_(is_wanted && ::isatty(STDERR_FILENO) == 1), duration_(duration) {}

void ProgressBar::show(std::chrono::milliseconds elapsed, std::uint64_t samples) {
  if (!is_shown_) {
    return;
  }
  const double seconds = std::chrono::duration<double>(elapsed).count();
  if (duration_) {
    const double whole = std::chrono::duration<double>(*duration_).count();
    fmt::print(stderr, "\r\x1b[K[{}] {:.0f} of {:.0f} s, {} samples", bar(seconds / whole), seconds,
               whole, samples);
  } else {
    fmt::print(stderr, "\r\x1b[K{:.0f} s, {} samples", seconds, samples);
  }
  (void)std::fflush(stderr);
}

void ProgressBar::clear() {
  if (is_shown_) {
    (void)std::fputs("\r\x1b[K", stderr);  // a terminal that is gone needs no clearing
    (void)std::fflush(stderr);
  }
}

}  // namespace waggle
