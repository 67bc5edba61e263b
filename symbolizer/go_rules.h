// SPDX-License-Identifier: Apache-2.0
// What the call frame information of Go programs leaves out: where functions save the frame
// pointer, and which functions of the runtime change stacks (asm_amd64.s and sys_linux_amd64.s of
// Go's runtime, since 1.21).  Their rows are put right here.  Not for Go's own tables (.gopclntab).
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "symbolizer/cfi_program.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/go_functions.h"

namespace waggle {

class GoRules {
 public:
  // Of a file that Go's linker made for x86_64; of any other it changes nothing.  `functions`: of
  // Go's own table, where they were read already; nullptr: the file's symbols are.
  static GoRules find(const ElfFile& file, const GoFunctions* functions);

  // The rows of the function [start, end).
  void put_right(std::uint64_t start, std::uint64_t end, std::vector<CfiRow>& rows) const;

 private:
  enum class Kind : std::uint8_t {
    switches,  // its frame pointer leads back to the stack that it left; 0: to none
    ends,      // what it calls has no caller any more
    starts_thread,
    signal_trampoline,
  };
  struct Special {
    Kind kind;
    std::uint64_t thread_call;  // starts_thread: the new thread's call
  };

  void note(const ElfFile& file, std::string_view name, std::uint64_t start, std::uint64_t size);

  bool is_go_ = false;
  std::unordered_map<std::uint64_t, Special> specials_;
};

}  // namespace waggle
