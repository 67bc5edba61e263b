// SPDX-License-Identifier: Apache-2.0
// Compressed sections (gABI, "Section Compression").  zlib only: zstd is Errc::unsupported.
#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace waggle {

// `section`: an Elf64_Chdr and what follows it.  The output is exactly the size the header says,
// `limit_bytes` at most.
Result<std::vector<std::byte>> inflate_section(Bytes section, std::size_t limit_bytes);

}  // namespace waggle
