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
#include "bpf/abi/python.h"

namespace waggle {

struct DumpedPythonFrame {
  std::string text;
  bool is_entry;  // the frames below run in another evaluation of the C stack
};

// Of one thread state.  A thread has several where there are several interpreters.
struct DumpedPythonStack {
  bool is_attached = false;  // in use by its thread: it has the GIL where there is one
  std::vector<DumpedPythonFrame> frames = {};  // innermost first
};

// One Python in the process.
struct DumpedPython {
  std::string version;
  std::string path;  // of the file with the interpreter, as the process sees it
  bool has_gil = true;
  std::vector<py_range> loops = {};  // native frames in here run Python's
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
