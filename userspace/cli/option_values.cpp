// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/option_values.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace waggle {

namespace {

bool is_whole_number(std::string_view text) {
  if (text.starts_with('-')) {
    text.remove_prefix(1);
  }
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
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
