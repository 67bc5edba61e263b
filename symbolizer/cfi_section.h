// SPDX-License-Identifier: Apache-2.0
// The records of one .eh_frame or .debug_frame section: CIEs, and which function has which
// instructions (DWARF 5, section 6.4.1; LSB 5.0 Core, "Exception Frames").  Instructions are run
// by cfi_program.h.
//
// Where reality differs from the specifications:
// - .eh_frame goes on after a terminator, where a linker has joined sections that had one;
// - of the augmentation, what follows an unknown letter is skipped by its length, if it has one.
//
// A record that passes the end of the section refuses the section; one that is broken inside costs
// its functions their rows alone, and is counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "symbolizer/cfi_pointer.h"
#include "symbolizer/cfi_program.h"

namespace waggle {

// An FDE.
struct CfiFunction {
  std::uint64_t start;
  std::uint64_t end;
  std::uint32_t instructions;  // their offset in the section
  std::uint32_t instructions_bytes;
  std::uint32_t cie;  // for CfiSection::context_of()
};

struct CfiSectionInput {
  std::vector<std::byte> bytes;
  CfiBases bases;
  bool is_eh_frame = true;
  bool ends_at_terminator = false;  // its size is not known
  CfiRegisters registers{};
};

class CfiSection {
 public:
  static Result<CfiSection> read(CfiSectionInput input);

  // In the order of the section; none is empty.
  [[nodiscard]] const std::vector<CfiFunction>& functions() const { return functions_; }
  // FDEs that could not be read.
  [[nodiscard]] std::uint64_t malformed_count() const { return malformed_count_; }
  [[nodiscard]] std::size_t size_bytes() const { return input_.bytes.size(); }

  // program.rows() are those of [function.start, end); false as in CfiProgram::run().
  bool run(const CfiFunction& function, std::uint64_t end, CfiProgram& program) const;

 private:
  struct Cie {
    CfiContext context;
    std::uint8_t encoding = kCfiAbsolute;
    std::uint8_t segment_bytes = 0;
    bool has_augmentation_data = false;
    bool is_valid = false;
  };
  // A record's fields from the CIE id on.
  struct Record {
    std::uint64_t id_offset;
    std::uint64_t id;
    std::uint64_t end;  // offset of the next record
    Bytes fields;       // after the id
    bool is_terminator;
    bool is_cie;
  };

  explicit CfiSection(CfiSectionInput input) : input_(std::move(input)) {}
  [[nodiscard]] Result<Record> read_record(std::uint64_t offset) const;
  Result<> read_functions();
  Result<> read_function(const Record& record);
  Result<std::uint32_t> find_cie(std::uint64_t offset);
  bool read_cie(const Record& record, Cie& cie);
  // `end`: offset in the section of the end of the augmentation data.
  bool read_augmentation(std::string_view letters, ByteCursor& cursor, std::uint64_t end,
                         Cie& cie) const;
  [[nodiscard]] std::uint64_t position_of(const ByteCursor& cursor, const Record& record) const;

  CfiSectionInput input_;
  std::vector<CfiFunction> functions_;
  std::vector<Cie> cies_;
  std::unordered_map<std::uint64_t, std::uint32_t> cie_of_offset_;
  std::optional<std::uint64_t> last_cie_offset_;
  std::uint32_t last_cie_ = 0;
  std::uint64_t cie_bytes_ = 0;
  std::uint64_t malformed_count_ = 0;
  CfiProgram program_;
};

}  // namespace waggle
