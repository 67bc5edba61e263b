// SPDX-License-Identifier: Apache-2.0
// How phpspy is run: once for all processes that pgrep finds.  Pure.  Not for reading what it
// prints: output_parser.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

inline constexpr int kMaxPhpspyHz = 999;
inline constexpr std::string_view kPhpFilter = "php-fpm";
int phpspy_rate(int frequency_hz);

// It gives the filter to a shell, behind "pgrep ": letters, digits, blanks and the characters of
// names and paths alone.
Result<> check_php_filter(std::string_view filter);

// It goes on until SIGINT, and prints a stack of a process as soon as it has one.
std::vector<std::string> phpspy_command(const std::string& phpspy, const std::string& filter,
                                        int frequency_hz);

}  // namespace waggle
