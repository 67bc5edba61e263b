// SPDX-License-Identifier: Apache-2.0
// How perf walks stacks of user space.
#pragma once

namespace waggle {

enum class PerfMode {
  fp,     // by frame pointers, in the kernel
  dwarf,  // by call frame information, from a copy of each stack
  smart,  // by both at once: for each process the one that tells more frames
};

}  // namespace waggle
