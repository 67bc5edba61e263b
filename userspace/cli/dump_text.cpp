// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/dump_text.h"

#include <fmt/core.h>

#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::string_view kIndent = "  ";

std::string thread_text(const DumpedThread& thread, const DumpedNativeStacks& native,
                        const DumpedPythons& python) {
  std::vector<const DumpedPythonStack*> stacks;
  bool has_gil = false;
  for (const DumpedPython& one : python.pythons) {
    const auto found = one.by_thread.find(thread.innermost_tid);
    if (found == one.by_thread.end()) {
      continue;
    }
    for (const DumpedPythonStack& stack : found->second) {
      stacks.push_back(&stack);
      has_gil = has_gil || (one.has_gil && stack.is_attached);
    }
  }
  std::string text = fmt::format("\nThread {} ({}): {}{}\n", thread.tid, printable(thread.comm),
                                 state_text(thread.state), has_gil ? ", has the GIL" : "");
  const auto found = native.find(thread.tid);
  const auto lines =
      join_stack(thread.kernel_frames, found == native.end() ? DumpedNativeStack() : found->second,
                 std::move(stacks));
  for (const std::string& line : lines) {
    text += fmt::format("{}{}\n", kIndent, printable(line));
  }
  return text;
}

}  // namespace

std::string render_dump(pid_t pid, const DumpedProcess& process, const DumpedNativeStacks& native,
                        const DumpedPythons& python) {
  std::string text = fmt::format("Process {} ({}){}\n", pid, printable(process.comm),
                                 process.is_kernel_thread ? ", a kernel thread" : "");
  for (const DumpedPython& one : python.pythons) {
    text += fmt::format("Python {}: {}\n", one.version, printable(one.path));
  }
  for (const DumpedThread& thread : process.threads) {
    text += thread_text(thread, native, python);
  }
  for (const DumpedPython& one : python.pythons) {
    for (const DumpedPythonStack& stack : one.without_thread) {
      text += "\nPython stack of a thread that is gone\n";
      for (const DumpedPythonFrame& frame : stack.frames) {
        text += fmt::format("{}{}\n", kIndent, printable(frame.text));
      }
    }
  }
  return text;
}

}  // namespace waggle
