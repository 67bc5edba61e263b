// SPDX-License-Identifier: Apache-2.0
// How `rbspy record` is run on one process, and what its stacks look like.  Pure.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "userspace/tools/stack_lines.h"

namespace waggle {

inline constexpr int kMaxRbspyHz = 100;
int rbspy_rate(int frequency_hz);

// It never stops the process, counts only while a thread of it has a CPU, goes on until SIGINT or
// the end of the process, and writes `output` then.
std::vector<std::string> rbspy_record_command(const std::string& rbspy, pid_t pid, int frequency_hz,
                                              const std::string& output);

// Each of its frames is "NAME - FILE:LINE", of a function in C "NAME [c function] - (unknown)".
bool is_rbspy_stack(const StackLine& stack);

// As it is in a profile.
std::string rbspy_frame_text(std::string_view frame);

}  // namespace waggle
