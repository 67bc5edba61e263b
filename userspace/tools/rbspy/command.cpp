// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/rbspy/command.h"

#include <fmt/core.h>

#include <algorithm>

namespace waggle {

int rbspy_rate(int frequency_hz) {
  return std::min(frequency_hz, kMaxRbspyHz);
}

std::vector<std::string> rbspy_record_command(const std::string& rbspy, pid_t pid, int frequency_hz,
                                              const std::string& output) {
  return {rbspy,
          "record",
          "--silent",
          "--rate",
          fmt::to_string(rbspy_rate(frequency_hz)),
          "--nonblocking",
          "--on-cpu",
          "--format",
          "collapsed",
          "--file",
          output,
          "--raw-file",  // else it writes one into a cache of its own
          "/dev/null",
          "--pid",
          fmt::to_string(pid)};
}

bool is_rbspy_stack(const StackLine& stack) {
  return std::ranges::all_of(stack.frames, [](std::string_view frame) {
    const std::size_t separator = frame.find(" - ");
    return separator != std::string_view::npos && separator != 0;
  });
}

std::string rbspy_frame_text(std::string_view frame) {
  return std::string(frame) + "_[rb]";
}

}  // namespace waggle
