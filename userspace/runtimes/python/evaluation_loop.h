// SPDX-License-Identifier: Apache-2.0
// Where in a file the evaluation loop is: the code that runs Python's bytecode.
//
// The symbol is not enough.  GCC moves the blocks that its profile calls cold elsewhere: in
// Debian's 3.14 and 3.15 that is the 80 KiB body of the loop, without a name.  Such a part has call
// frame information of its own and is reached by direct jumps, and jumps back, into the middle: no
// other function is entered there.  Jumps are found by their bytes at any place, without decoding
// what is in between, so one alone proves nothing.  A tail-call interpreter (clang, from 3.14 on)
// has one function for each instruction, which symbols name.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bpf/abi/python.h"
#include "symbolizer/elf_file.h"

namespace waggle {

// A function's symbol.
struct CodeSymbol {
  std::uint64_t start;
  std::uint64_t size;  // 0: unknown
};

// Those of is_loop_entry(), is_loop_part() and is_tail_call_part().
struct LoopSymbols {
  CodeSymbol entry;
  std::vector<CodeSymbol> parts;
  std::vector<CodeSymbol> tail_call_parts;
};

// Addresses are those of the file.
struct EvaluationLoop {
  // A native frame in one of these runs Python frames (see entry).  Sorted, without overlaps, at
  // most PY_MAX_LOOPS.
  std::vector<py_range> parts;
  // In a tail-call interpreter the function that has called the first instruction's, and has a
  // native frame of its own; empty in all others.
  py_range entry;
};

// Errc::not_found: what is there is too small to be all of it.
Result<EvaluationLoop> find_evaluation_loop(const ElfFile& file, const LoopSymbols& symbols);

// Whether a symbol names the loop, or a part of it, in `version`.
bool is_loop_entry(std::string_view name, std::uint32_t version);
bool is_loop_part(std::string_view name, std::uint32_t version);
bool is_tail_call_part(std::string_view name);

}  // namespace waggle
