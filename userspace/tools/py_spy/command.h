// SPDX-License-Identifier: Apache-2.0
// How `py-spy record` is run on one process.  Pure.  Not for reading what it writes:
// output_parser.h.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace waggle {

struct PySpyOptions {
  int frequency_hz = 99;       // as asked; see py_spy_rate()
  bool has_lines = false;      // the current line instead of the function's first
  bool tells_threads = false;  // the thread's name as the first frame
};

// Above it py-spy falls behind on processes with many threads.
inline constexpr int kMaxPySpyHz = 50;
int py_spy_rate(int frequency_hz);

// It never stops the process, counts threads that hold the interpreter's lock, goes on until
// SIGINT or the end of the process, and writes `output` then.
std::vector<std::string> py_spy_record_command(const std::string& py_spy, pid_t pid,
                                               const PySpyOptions& options,
                                               const std::string& output);

}  // namespace waggle
