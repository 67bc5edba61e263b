// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/dump_python.h"

#include <fmt/core.h>

#include <chrono>
#include <thread>
#include <utility>

#include "bpf/abi/python.h"
#include "userspace/runtimes/python/frame_text.h"
#include "userspace/runtimes/python/layout.h"
#include "userspace/runtimes/python/python_process.h"
#include "userspace/runtimes/python/stacks.h"
#include "userspace/runtimes/python/thread_numbers.h"

namespace waggle {

namespace {

// What is read while it changes may be right at the next look.
constexpr int kLooks = 50;
constexpr auto kPause = std::chrono::milliseconds(1);

std::string frame_text(const ProcessMemory& memory, const PythonTarget& target,
                       const PythonCall& call) {
  const auto function = read_python_function(memory, target, call);
  if (!function) {
    return python_frame_text({.file = "", .name = ""});
  }
  return python_frame_text({.file = function->file,
                            .name = function->name,
                            .line = function->line.value_or(function->first_line)});
}

DumpedPython describe(const ProcessMemory& memory, const FoundPython& found,
                      const std::vector<PythonThread>& states,
                      const std::set<std::uint32_t>& threads) {
  const py_layout& layout = found.target.layout;
  DumpedPython dumped{.version = python_version_text(layout.version),
                      .path = found.path,
                      .has_gil = layout.is_free_threaded == 0};
  const py_process& process = found.target.process;
  dumped.loops.assign(process.loops, process.loops + process.loop_count);
  std::set<std::uint64_t> ids;
  for (const PythonThread& state : states) {
    ids.insert(state.id);
  }
  const auto numbers = find_thread_numbers(memory, ids, threads);
  for (const PythonThread& state : states) {
    DumpedPythonStack stack{.is_attached = state.is_attached};
    for (const PythonCall& call : state.calls) {
      stack.frames.push_back({frame_text(memory, found.target, call), call.is_entry});
    }
    if (const auto number = numbers.find(state.id); number != numbers.end()) {
      dumped.by_thread[number->second].push_back(std::move(stack));
    } else if (!stack.frames.empty()) {
      dumped.without_thread.push_back(std::move(stack));
    }
  }
  return dumped;
}

Result<DumpedPython> read_python(const ProcessMemory& memory, FoundPython found,
                                 const std::set<std::uint32_t>& threads) {
  if (const auto proof = prove_python(memory, found.target); !proof) {
    return std::unexpected(proof.error());
  }
  auto states = read_python_stacks(memory, found.target);
  for (int look = 1; look < kLooks && !states; ++look) {
    std::this_thread::sleep_for(kPause);
    states = read_python_stacks(memory, found.target);
  }
  if (!states) {
    return std::unexpected(std::move(states).error());
  }
  return describe(memory, found, *states, threads);
}

}  // namespace

DumpedPythons read_pythons(pid_t pid, const std::set<std::uint32_t>& threads) {
  DumpedPythons dumped;
  PythonFiles files;
  auto found = find_python(pid, files);
  if (!found) {
    dumped.problem = std::move(found).error();
    return dumped;
  }
  const ProcessMemory memory(pid);
  for (FoundPython& python : *found) {
    const std::string path = python.path;
    auto read = read_python(memory, std::move(python), threads);
    if (read) {
      dumped.pythons.push_back(*std::move(read));
    } else {
      dumped.problem = Error{read.error().code, fmt::format("{}: {}", path, read.error().what)};
    }
  }
  return dumped;
}

}  // namespace waggle
