// SPDX-License-Identifier: Apache-2.0
// Text from outside made safe to show, and the few parsers that the standard library lacks.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace waggle {

enum class Newlines { replace, keep };

// `text` with control characters and bytes that are not UTF-8 replaced by '?'.
std::string printable(std::string_view text, Newlines newlines = Newlines::replace);

// Without the blanks at both ends.
std::string_view trimmed(std::string_view text, std::string_view blanks = " \t\r\n");

std::vector<std::string_view> split(std::string_view text, char separator);

// The whole of `text` as a number, or nothing: no sign for unsigned types, no blanks, no rest.
template <std::integral T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || rest != end || text.empty()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace waggle
