// SPDX-License-Identifier: Apache-2.0
// How `dotnet-trace collect` is run on one process.  Pure.  Not for what it writes: speedscope.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace waggle {

struct DotnetTarget {
  pid_t pid;            // as we know it
  pid_t namespace_pid;  // as it knows itself
};

// `output`: a path whose last part has no dot, for what follows one would be replaced.  It goes on
// until SIGINT or the end of the process; then it converts what it has.
std::vector<std::string> dotnet_trace_command(const std::string& dotnet_trace,
                                              const DotnetTarget& target,
                                              const std::string& output);

// It looks there for the socket of the process.
std::string dotnet_trace_temporary(const DotnetTarget& target);

// The file with the stacks.
std::string dotnet_trace_stacks(const std::string& output);

// A limit on files that is lower kills the runtime it runs on, which keeps its code in one of 2
// GiB.
inline constexpr std::uint64_t kMaxDotnetTraceBytes = std::uint64_t{4} << 30;

}  // namespace waggle
