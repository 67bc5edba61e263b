// SPDX-License-Identifier: Apache-2.0
// The stacks in a speedscope file as dotnet-trace writes it: one "evented" profile for each thread,
// in milliseconds (speedscope's file-format-spec.ts; `startValue` is text in dotnet-trace's files).
// Not for other speedscope files: sampled profiles are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

struct SpeedscopeStack {
  std::vector<std::string_view> frames;  // root first, one at least
  std::uint64_t count;                   // 1 at least
};

struct SpeedscopeLimits {
  static constexpr std::size_t kMaxFrames = 1 << 20;       // that have a name
  static constexpr std::size_t kMaxNameBytes = 64 << 20;   // of all of them
  static constexpr std::size_t kMaxDepth = 4096;           // of a stack
  static constexpr std::size_t kMaxStacks = 1 << 20;       // that differ
  static constexpr std::size_t kMaxStackFrames = 1 << 24;  // of all of those
};

using OnSpeedscopeStack = std::function<void(const SpeedscopeStack&)>;

// The time that was spent in each stack as samples at that frequency; what is left over of one
// stack counts for the next, so that the sum is that of all times.  Texts are valid during the call
// only.  Errc::malformed: no such file, and nothing was handed out; ::exhausted: past a limit.
Result<> read_speedscope(UniqueFd file, int frequency_hz, const OnSpeedscopeStack& on_stack);
Result<> read_speedscope(std::string_view text, int frequency_hz,
                         const OnSpeedscopeStack& on_stack);

// As a frame is in a profile.
std::string dotnet_frame_text(std::string_view name);

}  // namespace waggle
