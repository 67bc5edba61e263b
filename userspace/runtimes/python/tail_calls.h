// SPDX-License-Identifier: Apache-2.0
// The evaluation loop of a tail-call interpreter whose symbols are stripped: one function for each
// instruction, which jumps to that of the next through a table of 256 pointers (Python/ceval.c at
// v3.14.0, INSTRUCTION_TABLE).  No other table of a Python has 256 functions side by side, most of
// them different.
#pragma once

#include <vector>

#include "bpf/abi/python.h"
#include "symbolizer/elf_file.h"
#include "userspace/runtimes/python/code_functions.h"

namespace waggle {

// The functions of such tables, and those that several of them jump to (what they share: the way
// to an exception handler, say).  Empty when the file has no such table.
std::vector<py_range> find_tail_call_functions(const ElfFile& file, const CodeFunctions& functions);

}  // namespace waggle
