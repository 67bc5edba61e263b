// SPDX-License-Identifier: Apache-2.0
// The functions of a Go program by its own table, .gopclntab: names, and how far the stack pointer
// is from the return address at each instruction.  Go's runtime needs it, so that it is there when
// symbols and call frame information were stripped (go build -ldflags "-s -w").  Read are the
// tables of Go 1.18 and later: runtime/symtab.go ("pcHeader", "_func", "step"), moduledata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "symbolizer/cfi_program.h"
#include "symbolizer/elf_file.h"

namespace waggle {

// The table of a file that Go's linker made, also as part of a program of another linker (cgo);
// nullptr: there is none.
const ElfSection* find_go_table(const ElfFile& file);

// One owner, one thread.  Holds the bytes of the table.
class GoFunctions {
 public:
  struct Function {
    std::uint64_t start;
    std::uint64_t end;
    std::string_view name;      // valid as long as the table
    std::uint32_t stack_sizes;  // where they are told
  };

  // Errc::not_found: no table.  Errc::unsupported: of an older Go, or of another processor.
  // Errc::malformed, Errc::exhausted.
  static Result<GoFunctions> read(const ElfFile& file);

  // In order of address, without overlaps.
  [[nodiscard]] const std::vector<Function>& functions() const { return functions_; }
  // As .debug_frame would have them: the first at the function's start, addresses grow.  False,
  // and no rows: malformed.
  bool read_rows(const Function& function, std::vector<CfiRow>& rows) const;
  [[nodiscard]] std::size_t size_bytes() const { return bytes_.size(); }

 private:
  struct Header {
    std::uint64_t function_count;
    std::uint64_t text_start;  // 0 from Go 1.26 on
    std::uint64_t names;       // offsets in the table
    std::uint64_t values;
    std::uint64_t functions;
  };
  static Result<Header> parse_header(Bytes table);
  // What its functions' offsets are from.
  static Result<std::uint64_t> find_text(const ElfFile& file, const ElfSection& section,
                                         const Header& header);
  Result<> read_functions(const ElfFile& file, const Header& header, std::uint64_t text);

  std::vector<std::byte> bytes_;
  Bytes values_;
  std::vector<Function> functions_;
};

}  // namespace waggle
