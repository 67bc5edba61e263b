// SPDX-License-Identifier: Apache-2.0
// The .xz container, as .gnu_debugdata sections hold it.
#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace waggle {

// One whole stream.  More output than `limit_bytes`, or a dictionary that needs more memory than
// we give, is Errc::exhausted.
Result<std::vector<std::byte>> decompress_xz(Bytes packed, std::size_t limit_bytes);

}  // namespace waggle
