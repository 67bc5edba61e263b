// SPDX-License-Identifier: Apache-2.0
// Which processes with a Python py-spy is started for, as gProfiler decides it.  Pure.  Not for
// finding a Python: runtimes/python.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace waggle {

struct PySpyCandidate {
  std::string program;              // the path of its executable
  std::string command_line;         // its words, with blanks between them
  std::vector<std::string> mapped;  // paths of the files whose code it maps
};

enum class PySpyVerdict {
  take,
  service,   // a small Python service of the distribution
  pypy,      // another interpreter
  embedded,  // a program that has a Python in it: py-spy fails there, or worse
};

PySpyVerdict judge_for_py_spy(const PySpyCandidate& candidate);

// Why not: "embedded Python".
std::string_view py_spy_verdict_text(PySpyVerdict verdict);

}  // namespace waggle
