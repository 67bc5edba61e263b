// SPDX-License-Identifier: Apache-2.0
// Text that fits into a terminal's columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace waggle {

// `text`, which is UTF-8, in at most `columns` code points, cut with an ellipsis.
std::string in_columns(std::string_view text, std::size_t columns);

}  // namespace waggle
