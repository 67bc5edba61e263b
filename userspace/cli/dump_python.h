// SPDX-License-Identifier: Apache-2.0
// For `waggle dump`: the Python stacks of a process, as text, for each of its threads.  The process
// runs on while it is read.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace waggle {

// Of one thread state.  A thread has several where there are several interpreters.
struct DumpedPythonStack {
  bool is_attached = false;              // in use by its thread: it has the GIL where there is one
  std::vector<std::string> frames = {};  // innermost first
};

// One Python in the process.
struct DumpedPython {
  std::string version;
  std::string path;  // of the file with the interpreter, as the process sees it
  bool has_gil = true;
  std::map<std::uint32_t, std::vector<DumpedPythonStack>> by_thread =
      {};                                              // number as the process has it
  std::vector<DumpedPythonStack> without_thread = {};  // of threads that could not be told
};

struct DumpedPythons {
  std::vector<DumpedPython> pythons = {};
  std::optional<Error> problem = {};  // why one is missing
};

// `threads`: numbers of the process' threads as it sees them itself.
DumpedPythons read_pythons(pid_t pid, const std::set<std::uint32_t>& threads);

}  // namespace waggle
