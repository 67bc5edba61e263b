// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/rbspy.h"

#include <fmt/core.h>

#include "userspace/tools/rbspy/command.h"
#include "userspace/tools/stack_lines.h"

namespace waggle {

ToolCall Rbspy::call(const std::string& program, pid_t target, const std::string& directory) {
  const std::string output = fmt::format("{}/rbspy.{}", directory, target);
  return {.name = "rbspy",
          .command = rbspy_record_command(program, target, frequency_hz_, output),
          .variables = {},
          .output = output,
          .output_bytes = kMaxToolOutputBytes,
          .nice = kSamplerNice};
}

Result<std::uint64_t> Rbspy::read_stacks(UniqueFd file, pid_t, Profile& stacks) {
  StackLines lines([&stacks](const StackLine& line) {
    if (!is_rbspy_stack(line)) {
      return false;
    }
    Profile::Stack added{.container = stacks.intern(""), .comm = stacks.intern(""), .frames = {}};
    for (const std::string_view frame : line.frames) {
      added.frames.push_back(stacks.intern(rbspy_frame_text(frame)));
    }
    stacks.add(added, line.count);
    return true;
  });
  TRY(read_pieces(file.get(), kMaxToolOutputBytes,
                  [&lines](std::string_view piece) { lines.feed(piece); }));
  lines.finish();
  if (lines.is_corrupt()) {
    return fail(Errc::malformed, "rbspy wrote something else than stacks");
  }
  return lines.counters().bad_lines;
}

}  // namespace waggle
