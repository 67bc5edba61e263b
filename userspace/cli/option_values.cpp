// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/option_values.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>
#include <system_error>

#include "base/text.h"

namespace waggle {

namespace {

bool is_whole_number(std::string_view text) {
  if (text.starts_with('-')) {
    text.remove_prefix(1);
  }
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// "", "b", "k", "kb", "kib", ... as a power of 1024.
std::optional<int> power_of_unit(std::string_view unit) {
  constexpr std::string_view kPrefixes = "kmgt";
  std::string lower(unit);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower.empty() || lower == "b") {
    return 0;
  }
  const std::size_t at = kPrefixes.find(lower.front());
  const std::string_view rest = std::string_view(lower).substr(1);
  const bool is_unit =
      at != std::string_view::npos && (rest.empty() || rest == "b" || rest == "ib");
  return is_unit ? std::optional(static_cast<int>(at) + 1) : std::nullopt;
}

}  // namespace

std::string quoted(std::string_view text) {
  constexpr std::size_t kShownBytes = 80;  // a message stays one line
  if (text.size() <= kShownBytes) {
    return fmt::format("\"{}\"", printable(text));
  }
  const std::size_t half = kShownBytes / 2;
  return fmt::format("\"{}…{}\"", printable(text.substr(0, half)),
                     printable(text.substr(text.size() - half)));
}

std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  const std::size_t first_digit = number < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > first_digit + 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

Result<int> parse_integer(std::string_view option, std::string_view text, int least, int most) {
  const auto number = parse_number<std::int64_t>(text);
  if (number && *number >= least && *number <= most) {
    return static_cast<int>(*number);
  }
  const std::string_view problem =
      is_whole_number(text) ? "is out of range" : "is not a whole number";
  return fail(Errc::malformed, fmt::format("--{}: {} {} ({} to {})", option, quoted(text), problem,
                                           with_commas(least), with_commas(most)));
}

Result<double> parse_decimal(std::string_view option, std::string_view text, int least, int most) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  const bool is_number = error == std::errc() && rest == end && std::isfinite(number);
  if (is_number && number >= least && number <= most) {
    return number;
  }
  return fail(Errc::malformed, fmt::format("--{}: {} {} ({} to {})", option, quoted(text),
                                           is_number ? "is out of range" : "is not a number",
                                           with_commas(least), with_commas(most)));
}

Result<std::int64_t> parse_size(std::string_view option, std::string_view text, std::int64_t least,
                                std::int64_t most) {
  constexpr std::size_t kMaxBytes = 32;
  constexpr int kUnitBits = 10;
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view rest = text.substr(digits);
  const std::size_t unit_at = std::min(rest.find_first_not_of(' '), rest.size());
  const auto power = text.size() <= kMaxBytes ? power_of_unit(rest.substr(unit_at)) : std::nullopt;
  double number = 0;
  const auto end = std::from_chars(text.data(), text.data() + digits, number);
  if (!power || digits == 0 || end.ec != std::errc() || end.ptr != text.data() + digits) {
    return fail(Errc::malformed,
                fmt::format("--{}: {} is no size (512kb, 2mb, 1gb)", option, quoted(text)));
  }
  const double bytes = std::ldexp(number, kUnitBits * *power);
  if (bytes < static_cast<double>(least) || bytes > static_cast<double>(most)) {
    return fail(Errc::malformed, fmt::format("--{}: {} is out of range ({} to {} bytes)", option,
                                             quoted(text), with_commas(least), with_commas(most)));
  }
  return static_cast<std::int64_t>(bytes);
}

Result<std::size_t> parse_choice(std::string_view option, std::string_view text,
                                 std::span<const std::string_view> choices) {
  const auto found = std::ranges::find(choices, text);
  if (found != choices.end()) {
    return static_cast<std::size_t>(found - choices.begin());
  }
  std::string list;
  for (const std::string_view choice : choices) {
    list += list.empty() ? "" : ", ";
    list += choice;
  }
  return fail(Errc::malformed, fmt::format("--{}: {} is none of {}", option, quoted(text), list));
}

}  // namespace waggle
