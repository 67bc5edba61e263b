// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/dotnet_trace/command.h"

#include <fmt/core.h>

namespace waggle {

std::vector<std::string> dotnet_trace_command(const std::string& dotnet_trace,
                                              const DotnetTarget& target,
                                              const std::string& output) {
  return {dotnet_trace, "collect",      "--format",
          "speedscope", "--process-id", fmt::to_string(target.namespace_pid),
          "--profile",  "cpu-sampling", "--output",
          output};
}

std::string dotnet_trace_temporary(const DotnetTarget& target) {
  return fmt::format("/proc/{}/root/tmp", target.pid);
}

std::string dotnet_trace_stacks(const std::string& output) {
  return output + ".speedscope.json";
}

}  // namespace waggle
