// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/py_spy/command.h"

#include <fmt/core.h>

#include <algorithm>

namespace waggle {

int py_spy_rate(int frequency_hz) {
  return std::min(frequency_hz, kMaxPySpyHz);
}

std::vector<std::string> py_spy_record_command(const std::string& py_spy, pid_t pid,
                                               const PySpyOptions& options,
                                               const std::string& output) {
  std::vector<std::string> command = {py_spy,
                                      "record",
                                      "--pid",
                                      fmt::to_string(pid),
                                      "--rate",
                                      fmt::to_string(py_spy_rate(options.frequency_hz)),
                                      "--duration",
                                      "unlimited",
                                      "--format",
                                      "raw",
                                      "--output",
                                      output,
                                      "--nonblocking",
                                      "--gil",
                                      "--full-filenames"};
  if (!options.has_lines) {
    command.emplace_back("--function");
  }
  if (options.tells_threads) {
    command.emplace_back("--threads");
  }
  return command;
}

}  // namespace waggle
