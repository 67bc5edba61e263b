// SPDX-License-Identifier: Apache-2.0
// The build id in a block of ELF notes (gABI, "Note Section"; the 8-byte alignment of
// .note.gnu.property is a GNU extension).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace waggle {

// `alignment`: of the notes' fields, 4 unless it is 8.  Lower-case hexadecimal.
std::optional<std::string> find_build_id(Bytes notes, std::uint64_t alignment);

}  // namespace waggle
