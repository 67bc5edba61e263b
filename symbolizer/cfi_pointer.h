// SPDX-License-Identifier: Apache-2.0
// Pointers as .eh_frame and .eh_frame_hdr encode them (LSB 5.0 Core, "DWARF Exception Header
// Encoding"), and one value more than that says: as GCC's unwinder has it, a 0 stays 0 whatever it
// is relative to (an entry whose function was discarded).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/bytes.h"

namespace waggle {

enum CfiEncoding : std::uint8_t {
  kCfiAbsolute = 0x00,
  kCfiOmitted = 0xff,
};

// What encoded pointers of one section may be relative to.
struct CfiBases {
  std::uint64_t section = 0;  // address of the section's first byte
  std::uint64_t text = 0;     // .text
  std::uint64_t data = 0;     // .got; of .eh_frame_hdr that section itself
  // The word at an address of the file, for indirect pointers.
  std::function<std::optional<std::uint64_t>(std::uint64_t)> read_word;
};

// `position`: of the cursor in its section.  Nothing for an encoding that has no value.  Whether
// the cursor went past its end is the caller's to check.
std::optional<std::uint64_t> read_cfi_pointer(ByteCursor& cursor, std::uint64_t position,
                                              std::uint8_t encoding, const CfiBases& bases);

// Takes no notice of its base, nor of where it leads.  False for a format that does not exist.
bool skip_cfi_pointer(ByteCursor& cursor, std::uint64_t position, std::uint8_t encoding,
                      const CfiBases& bases);

// A size has the pointer's format and no base.
std::optional<std::uint64_t> read_cfi_size(ByteCursor& cursor, std::uint8_t encoding);

}  // namespace waggle
