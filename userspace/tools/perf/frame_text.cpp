// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/frame_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>

namespace waggle {

namespace {

constexpr std::string_view kUnknown = "[unknown]";

// In the kernel's half of the addresses.
bool is_high(std::uint64_t address) {
  return address >> 63 != 0;
}

// "foo+0x1f" -> "foo".  "operator+" keeps its sign.
std::string_view without_offset(std::string_view symbol) {
  const std::size_t plus = symbol.rfind("+0x");
  const bool is_offset =
      plus != std::string_view::npos && plus != 0 && symbol.size() > plus + 3 &&
      symbol.find_first_not_of("0123456789abcdef", plus + 3) == std::string_view::npos;
  return is_offset ? symbol.substr(0, plus) : symbol;
}

// "[vdso]" -> "vdso".
std::string_view without_brackets(std::string_view object) {
  return object.starts_with('[') && object.ends_with(']') ? object.substr(1, object.size() - 2)
                                                          : object;
}

}  // namespace

std::size_t count_kernel_frames(std::span<const PerfFrame> frames) {
  const auto end = std::ranges::find_if(frames, [](const PerfFrame& frame) {
    return !is_kernel_frame(frame) && !is_high(frame.address);
  });
  return static_cast<std::size_t>(end - frames.begin());
}

bool is_kernel_frame(const PerfFrame& frame) {
  return frame.object.starts_with("[kernel.") ||
         (is_high(frame.address) && frame.object != kUnknown);
}

bool is_unnamed(const PerfFrame& frame) {
  return frame.symbol.empty() || frame.symbol == kUnknown;
}

std::string frame_text(const PerfFrame& frame, ObjectNames objects) {
  const bool has_object = !frame.object.empty() && frame.object != kUnknown;
  const std::string_view object = has_object ? without_brackets(frame.object) : "unknown";
  if (is_kernel_frame(frame)) {
    return fmt::format("{}_[k]", is_unnamed(frame) ? kUnknown : without_offset(frame.symbol));
  }
  if (is_unnamed(frame) && has_object) {
    return fmt::format("({})", object);
  }
  const std::string_view name = is_unnamed(frame) ? kUnknown : without_offset(frame.symbol);
  return objects == ObjectNames::shown ? fmt::format("{} ({})", name, object) : std::string(name);
}

}  // namespace waggle
