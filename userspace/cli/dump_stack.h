// SPDX-License-Identifier: Apache-2.0
// For `waggle dump`: one stack of a thread, of what the kernel, native code and Python show of it.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "userspace/cli/dump_python.h"

namespace waggle {

struct DumpedNativeFrame {
  std::string text;
  bool runs_python = false;  // an evaluation: Python's frames stand in its place
};

struct DumpedNativeStack {
  std::vector<DumpedNativeFrame> frames = {};  // innermost first; empty: not known
  std::string end_marker;                      // "[truncated: …]", or "" when it is whole
};

// Lines, innermost first.  Python's frames stand where native frames run them, if there are as many
// evaluations as there are entries from C; where the native stack is cut, what is left of Python's
// follows the mark.  Otherwise they follow all native frames.
std::vector<std::string> join_stack(const std::vector<std::string>& kernel,
                                    const DumpedNativeStack& native,
                                    std::vector<const DumpedPythonStack*> pythons);

}  // namespace waggle
