// SPDX-License-Identifier: Apache-2.0
// The Python stacks that a program of tests/programs/python states of itself, in a comment:
//
//   # expected:
//   # versions 3.6-            runs on these only
//   # stack LABEL n=1..50      of a busy thread; the rest of the line may be left out; with n, one
//   #                          stack for each value
//   #   <module>               functions from the root to the leaf, as the version names them
//   #   Shape.method [3.11-]   in these versions: [2.7], [-3.10], [2.7,3.6-3.8]
//   #   recurse *300           so many times, or *n
//   #   -- interpreter         what follows runs in another interpreter of the process
//   # idle LABEL               of a thread that waits
//   # end
//
// Where a program has several stacks of one thread, each is one that the thread has now and then.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

struct ExpectedStack {
  std::string label;  // "worker 7"; "" where it has none
  bool is_idle = false;
  std::vector<std::string> functions;           // root first
  std::vector<std::size_t> interpreter_starts;  // where in them another interpreter begins
};

// `version`: "2.7", "3.13t".  None: the program is not for that version.
// Errc::malformed: the text has no such comment, or the error names the line.
Result<std::vector<ExpectedStack>> parse_expected_stacks(std::string_view text,
                                                         std::string_view version);
Result<std::vector<ExpectedStack>> read_expected_stacks(const std::string& path,
                                                        std::string_view version);

// Of the folder, "recursion" and so on, sorted.
std::vector<std::string> list_python_programs(const std::string& folder);

}  // namespace waggle
