// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a JVM writes of its crash: what is told of it is short, and can be shown.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "userspace/tools/async_profiler/crash_report.h"

namespace {

constexpr std::size_t kMaxLine = 8192;
constexpr std::size_t kMaxLines = 5001;

void check_line(std::string_view line) {
  CHECK(line.size() <= kMaxLine);
  CHECK(std::ranges::none_of(line, [](char c) { return c == '\n' || c == '\x1b' || c == '\0'; }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_line(waggle::crash_excerpt(text));
  const auto details = waggle::crash_details(text);
  CHECK(details.size() <= 4);
  std::ranges::for_each(details, check_line);
  const auto lines = waggle::crash_lines(text);
  CHECK(lines.size() <= kMaxLines);
  std::ranges::for_each(lines, check_line);
  return 0;
}
