// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/dump_native.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "bpf/abi/markers.h"
#include "userspace/runtimes/native/stacks.h"

namespace waggle {

namespace {

constexpr std::array kMarkerTexts = {
#define X(name, text, meaning) std::string_view(text),
    WAGGLE_MARKERS(X)
#undef X
};

std::string_view end_marker(NativeEnd end) {
  switch (end) {
    case NativeEnd::complete:
      return "";
    case NativeEnd::no_unwind_info:
      return kMarkerTexts[MARKER_truncated_no_unwind_info];
    case NativeEnd::unreadable:
      return kMarkerTexts[MARKER_truncated_unreadable_memory];
    case NativeEnd::too_deep:
      break;
  }
  return kMarkerTexts[MARKER_truncated_depth];
}

bool is_evaluation(const std::vector<DumpedPython>& pythons, std::uint64_t address) {
  return std::ranges::any_of(pythons, [&](const DumpedPython& python) {
    return std::ranges::any_of(python.loops, [&](const py_range& loop) {
      return address >= loop.start && address < loop.end;
    });
  });
}

}  // namespace

Result<DumpedNativeStacks> read_native_stacks(pid_t pid, const std::vector<DumpedThread>& threads,
                                              const std::vector<DumpedPython>& pythons) {
  NativeStacks stacks = TRY(NativeStacks::read(pid));
  DumpedNativeStacks dumped;
  for (const DumpedThread& thread : threads) {
    if (!thread.user) {
      continue;
    }
    const NativeStack stack = stacks.walk(thread.user->ip, thread.user->sp);
    DumpedNativeStack& native = dumped[thread.tid];
    native.end_marker = end_marker(stack.end);
    for (const std::uint64_t address : stack.addresses) {
      const bool runs_python = is_evaluation(pythons, address);
      native.frames.push_back({stacks.name_of(address), runs_python});
    }
  }
  return dumped;
}

}  // namespace waggle
