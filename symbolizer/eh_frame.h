// SPDX-License-Identifier: Apache-2.0
// The call frame information of an executable file: for each address, how a frame there finds its
// caller (.eh_frame, LSB 5.0 Core; .debug_frame, DWARF 5 section 6.4).  Rows are made for all of
// the file's code at once, in order of address, ready for unwind_table.h.  Not for one address at a
// time: .eh_frame_hdr's search table is not read, for it leaves out what linkers cannot sort.
//
// Rules for what the specifications leave open:
// - A function counts from its start up to the start of the next one, if that comes first.  Of two
//   with one start, the first in the section counts.
// - .debug_frame counts where .eh_frame says nothing of the function's start.
// - Fewer than 16 bytes between two functions are padding, and belong to the first.
// - PLT entries without a function have the rules of plt_rules.h.
// - Functions of Go without either have the rows of its own table (go_functions.h); where Go says
// too
//   little, those of go_rules.h.
// - Elsewhere between functions the rule is UNW_CFA_FRAME_POINTER; where a function's information
//   is malformed it is UNW_CFA_UNSUPPORTED.
// - Functions outside the executable segments (discarded by the linker, or nonsense) are dropped.
//
// Sections are found by name, and by PT_GNU_EH_FRAME where there is no .eh_frame among the section
// headers.  Not read: relocations (an object file has no table), zstd, 32-bit files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "symbolizer/cfi_program.h"
#include "symbolizer/cfi_section.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/go_functions.h"
#include "symbolizer/go_rules.h"

namespace waggle {

struct CfiReading {
  bool follows_spare = false;  // rules say of the spare register where it is
  bool puts_go_right = true;   // by go_rules.h; else rows are as the file has them
};

// One owner, one thread.  Holds the bytes of the sections and refers to the file, which must
// outlive it: short-lived.
class CallFrameInfo {
 public:
  // Errc::not_found: the file has no call frame information, or no code.  Errc::unsupported: of
  // another processor, or its code spans more than 4 GiB.  Errc::malformed, Errc::exhausted: the
  // text says where.
  static Result<CallFrameInfo> read(const ElfFile& file, const CfiReading& reading = {});

  // The lowest address of an executable segment: the first row is there.
  [[nodiscard]] std::uint64_t lowest_address() const { return lowest_address_; }
  // Bytes of the sections, inflated.
  [[nodiscard]] std::size_t section_bytes() const;
  [[nodiscard]] std::size_t function_count() const { return functions_.size(); }
  // Calls f(start, end) for each function but stubs, in order of address, without overlaps.
  template <class F>
  void for_each_function(F&& f) const {
    for (const Function& function : functions_) {
      if (function.section != kStubs) {
        f(function.entry.start, function.end);
      }
    }
  }
  // FDEs without rows of their own: broken ones, and those outside of the file's code.
  [[nodiscard]] std::uint64_t malformed_count() const { return malformed_count_; }
  [[nodiscard]] std::uint64_t outside_count() const { return outside_count_; }

  // Takes some rows; false ends the visit.
  using Sink = std::function<bool(std::span<const CfiRow>)>;
  // All rows: addresses grow strictly, from lowest_address(); neighbours may have equal rules; the
  // last row begins where the last function ends.  A function whose instructions are malformed is
  // added to malformed_count().
  void visit_rows(const Sink& sink);

 private:
  struct Function {
    CfiFunction entry;
    std::uint64_t end;  // not past the next one's start
    std::uint32_t section;
  };
  // Sections of entries whose `cie` is an index in stubs_ and in go_functions_.
  static constexpr std::uint32_t kStubs = ~std::uint32_t{0};
  static constexpr std::uint32_t kGo = kStubs - 1;

  CallFrameInfo() = default;
  Result<> read_code_range(const ElfFile& file);
  Result<> add_section(CfiSectionInput input);
  void add_functions(const ElfFile& file);
  void add_go_functions(const ElfFile& file);
  void add_stubs(const ElfFile& file);
  void settle(std::size_t first);
  bool send_rows(const Function& function, CfiProgram& program, const Sink& sink);
  [[nodiscard]] bool is_covered(std::uint64_t address, std::size_t count) const;

  std::uint64_t lowest_address_ = 0;
  std::uint64_t end_address_ = 0;
  std::vector<CfiSection> sections_;  // the first counts most
  std::vector<Function> functions_;   // sorted, without overlaps
  std::vector<unw_rule> stubs_;
  std::optional<GoFunctions> go_functions_;
  GoRules go_;
  std::uint64_t malformed_count_ = 0;
  std::uint64_t outside_count_ = 0;
};

}  // namespace waggle
