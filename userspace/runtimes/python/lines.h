// SPDX-License-Identifier: Apache-2.0
// From a place in a code object's bytecode to its line in the source.  Three formats:
//   lnotab          up to 3.9: pairs {bytes of code, signed lines since 3.6, unsigned before}
//                   (Objects/lnotab_notes.txt at v3.9.0)
//   ranges          3.10: pairs {bytes of code, signed lines; -128: these bytes have no line}
//                   (Objects/lnotab_notes.txt at v3.10.0)
//   locations       from 3.11 on: entries of a code, a length and a signed varint of lines
//                   (Objects/locations.md at v3.11.0)
// Pure functions over untrusted bytes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace waggle {

// The line of the instruction at `offset` bytes of the bytecode; nothing when it has none, or lies
// behind the table's end (locations, ranges), or the table is broken there.
// `version` is PY_VERSION_HEX: it decides the format.
std::optional<std::int32_t> find_python_line(Bytes table, std::uint32_t version,
                                             std::int32_t first_line, std::int64_t offset);

}  // namespace waggle
