// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/notes.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

namespace waggle {

namespace {

constexpr std::size_t kMaxProblems = 8;
constexpr std::size_t kMaxListed = 10;

}  // namespace

void RuntimeNotes::add_problem(std::string text) {
  if (first_problem_.empty()) {
    first_problem_ = text;
  }
  if (++problem_count_ <= kMaxProblems) {
    untold_.push_back(std::move(text));
  }
}

void RuntimeNotes::tell_rate(int rate_hz, int asked_hz) {
  if (rate_hz < asked_hz && !std::exchange(has_told_rate_, true)) {
    tell(fmt::format("{} samples at {} Hz, its highest rate here, in place of {}", tool_, rate_hz,
                     asked_hz));
  }
}

std::vector<std::string> RuntimeNotes::excluded() const {
  std::vector<std::string> texts;
  for (const auto& [reason, pids] : excluded_) {
    const auto listed = std::span(pids).first(std::min(pids.size(), kMaxListed));
    texts.push_back(fmt::format("{}: {} process{} left out ({}{}): {}", tool_, pids.size(),
                                pids.size() == 1 ? "" : "es", fmt::join(listed, ", "),
                                listed.size() < pids.size() ? ", ..." : "", reason));
  }
  return texts;
}

}  // namespace waggle
