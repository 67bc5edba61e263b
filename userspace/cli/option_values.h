// SPDX-License-Identifier: Apache-2.0
// Values of options: text to number or choice, with errors a person can act on.
// Not for splitting the command line: see options.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

// `text` in double quotes, control characters as '?', the middle cut when it is long.
std::string quoted(std::string_view text);

// 10000 -> "10,000".
std::string with_commas(std::int64_t number);

// A whole number in [least, most].  The error names the option, the text and the range.
Result<int> parse_integer(std::string_view option, std::string_view text, int least, int most);

// A number in [least, most], with decimals.  The error is as parse_integer()'s.
Result<double> parse_decimal(std::string_view option, std::string_view text, int least, int most);

// A number of bytes in [least, most], as people write it: "512", "64 KiB", "1.5mb"; a unit is of
// 1024 whichever way it is spelled.
Result<std::int64_t> parse_size(std::string_view option, std::string_view text, std::int64_t least,
                                std::int64_t most);

// The index of `text` in `choices`.  The error lists them.
Result<std::size_t> parse_choice(std::string_view option, std::string_view text,
                                 std::span<const std::string_view> choices);

}  // namespace waggle
