// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/dump_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::string_view kIndent = "  ";

void add_frames(std::string& text, const DumpedPythonStack& stack) {
  for (const std::string& frame : stack.frames) {
    text += fmt::format("{}{}\n", kIndent, printable(frame));
  }
}

// The interpreter that a thread is in comes first, those that it has left for it after that.
void add_stacks(std::string& text, std::vector<const DumpedPythonStack*> stacks) {
  std::ranges::stable_partition(stacks, &DumpedPythonStack::is_attached);
  bool is_first = true;
  for (const DumpedPythonStack* stack : stacks) {
    if (stack->frames.empty()) {
      continue;
    }
    if (!is_first) {
      text += fmt::format("{}-- of another interpreter:\n", kIndent);
    }
    add_frames(text, *stack);
    is_first = false;
  }
}

std::string thread_text(const DumpedThread& thread, const DumpedPythons& python) {
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
  for (const std::string& frame : thread.kernel_frames) {
    text += fmt::format("{}{}_[k]\n", kIndent, frame);
  }
  add_stacks(text, std::move(stacks));
  return text;
}

}  // namespace

std::string render_dump(pid_t pid, const DumpedProcess& process, const DumpedPythons& python) {
  std::string text = fmt::format("Process {} ({}){}\n", pid, printable(process.comm),
                                 process.is_kernel_thread ? ", a kernel thread" : "");
  for (const DumpedPython& one : python.pythons) {
    text += fmt::format("Python {}: {}\n", one.version, printable(one.path));
  }
  for (const DumpedThread& thread : process.threads) {
    text += thread_text(thread, python);
  }
  for (const DumpedPython& one : python.pythons) {
    for (const DumpedPythonStack& stack : one.without_thread) {
      text += "\nPython stack of a thread that is gone\n";
      add_frames(text, stack);
    }
  }
  return text;
}

}  // namespace waggle
