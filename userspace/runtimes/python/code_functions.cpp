// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/code_functions.h"

#include <algorithm>
#include <iterator>

#include "symbolizer/eh_frame.h"

namespace waggle {

CodeFunctions::CodeFunctions(const ElfFile& file) {
  const auto info = CallFrameInfo::read(file);
  if (info) {
    info->for_each_function(
        [this](std::uint64_t start, std::uint64_t end) { ranges_.push_back({start, end}); });
  }
}

std::optional<py_range> CodeFunctions::find(std::uint64_t address) const {
  const auto next =
      std::upper_bound(ranges_.begin(), ranges_.end(), address,
                       [](std::uint64_t at, const py_range& range) { return at < range.start; });
  if (next == ranges_.begin() || std::prev(next)->end <= address) {
    return std::nullopt;
  }
  return *std::prev(next);
}

bool CodeFunctions::has_start_in(std::uint64_t start, std::uint64_t end) const {
  const auto next =
      std::lower_bound(ranges_.begin(), ranges_.end(), start,
                       [](const py_range& range, std::uint64_t at) { return range.start < at; });
  return next != ranges_.end() && next->start < end;
}

}  // namespace waggle
