// SPDX-License-Identifier: Apache-2.0
// How `py-spy record` is run on one process.  Pure.  Not for reading what it writes:
// output_parser.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
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

// Of a py-spy that does little and must do it in time: one that comes late meets the program where
// that waits for its CPU, again and again (ToolOptions::nice).
inline constexpr int kPySpyNice = -10;

// More than any recording has; py-spy is ended by a signal that says so where it writes more.
inline constexpr std::uint64_t kMaxPySpyOutputBytes = std::uint64_t{64} << 20;

// It never stops the process, counts threads that hold the interpreter's lock, goes on until
// SIGINT or the end of the process, and writes `output` then.
std::vector<std::string> py_spy_record_command(const std::string& py_spy, pid_t pid,
                                               const PySpyOptions& options,
                                               const std::string& output);

}  // namespace waggle
