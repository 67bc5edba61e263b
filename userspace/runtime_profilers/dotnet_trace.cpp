// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/dotnet_trace.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <cstdlib>
#include <utility>

#include "base/file.h"
#include "userspace/process/proc_fs.h"
#include "userspace/tools/dotnet_trace/command.h"
#include "userspace/tools/dotnet_trace/speedscope.h"

namespace waggle {

namespace {

// What the process calls itself; as we call it where that is not told.
pid_t namespace_pid_of(pid_t pid) {
  const auto directory = open_file(fmt::format("/proc/{}", pid), O_PATH | O_DIRECTORY);
  const auto status =
      directory ? read_status_at(directory->get()) : std::unexpected(directory.error());
  return status ? static_cast<pid_t>(status->innermost_pid) : pid;
}

}  // namespace

ToolCall DotnetTrace::call(const std::string& program, pid_t target, const std::string& directory) {
  const DotnetTarget dotnet{.pid = target, .namespace_pid = namespace_pid_of(target)};
  // A dot in the last part, and it would write another file.
  const std::string output = fmt::format("{}/dotnet-trace-{}", directory, target);
  ToolCall call{.name = "dotnet-trace",
                .command = dotnet_trace_command(program, dotnet, output),
                .variables = {"TMPDIR=" + dotnet_trace_temporary(dotnet)},
                .output = dotnet_trace_stacks(output),
                .output_bytes = kMaxDotnetTraceBytes,
                .nice = 0};
  if (const char* root = std::getenv("DOTNET_ROOT")) {
    call.variables.push_back(fmt::format("DOTNET_ROOT={}", root));
  }
  return call;
}

Result<std::uint64_t> DotnetTrace::read_stacks(UniqueFd file, pid_t, Profile& stacks) {
  const auto read =
      read_speedscope(std::move(file), frequency_hz_, [&stacks](const SpeedscopeStack& stack) {
        Profile::Stack added{
            .container = stacks.intern(""), .comm = stacks.intern(""), .frames = {}};
        for (const std::string_view frame : stack.frames) {
          added.frames.push_back(stacks.intern(dotnet_frame_text(frame)));
        }
        stacks.add(added, stack.count);
      });
  if (!read) {
    return fail(read.error().code, "dotnet-trace wrote no stacks: " + read.error().what);
  }
  return 0;
}

}  // namespace waggle
