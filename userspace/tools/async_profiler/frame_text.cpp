// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/frame_text.h"

#include <fmt/core.h>

namespace waggle {

std::string text_with_library(std::string_view frame) {
  constexpr std::string_view kKernel = "_[k]";
  const bool is_java = !frame.ends_with(kKernel) && frame.ends_with(']') && frame.contains("_[");
  const std::size_t end = is_java ? std::string_view::npos : frame.find('`');
  if (end == std::string_view::npos || end + 1 == frame.size()) {
    return std::string(frame);
  }
  const std::string_view name = frame.substr(end + 1);
  return frame.ends_with(kKernel) ? std::string(name)
                                  : fmt::format("{} ({})", name, frame.substr(0, end));
}

}  // namespace waggle
