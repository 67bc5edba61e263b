// SPDX-License-Identifier: Apache-2.0
// The syntax is that of ConfigArgParse 1.7, which is between ini and YAML: Boost's parser of ini
// files knows neither ':' nor keys alone, and takes sections for parts of names.
#include "userspace/cli/config_file.h"

#include <fmt/core.h>

#include <cstddef>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::size_t kMaxLines = 10'000;

bool means_nothing(std::string_view line) {
  return line.empty() || line.front() == '#' || line.front() == ';' || line.front() == '[' ||
         line.starts_with("---");
}

// A comment begins with '#' or ';' after a blank.
std::string_view without_comment(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if ((text[i] == '#' || text[i] == ';') && kBlanks.find(text[i - 1]) != std::string_view::npos) {
      return trimmed(text.substr(0, i));
    }
  }
  return text;
}

// What is between two quotes of a kind, comments after them aside; nothing: there are none.
std::optional<std::string_view> quoted_value(std::string_view text) {
  if (text.empty() || (text.front() != '"' && text.front() != '\'')) {
    return std::nullopt;
  }
  const std::size_t end = text.find(text.front(), 1);
  if (end == std::string_view::npos || !without_comment(text.substr(end)).substr(1).empty()) {
    return std::nullopt;
  }
  return text.substr(1, end - 1);
}

ConfigLine parse_line(int number, std::string_view line) {
  const std::size_t end = line.find_first_of(":= \t");
  ConfigLine parsed{
      .number = number, .key = std::string(line.substr(0, end)), .value = std::nullopt};
  if (end == std::string_view::npos) {
    return parsed;
  }
  std::string_view rest = trimmed(line.substr(end));
  const bool has_sign = rest.starts_with('=') || rest.starts_with(':');
  if (!has_sign && (rest.starts_with('#') || rest.starts_with(';'))) {
    return parsed;  // a comment beside a key alone
  }
  if (has_sign) {
    // With the sign's blank: what follows may be a comment.
    rest = trimmed(without_comment(rest).substr(1));
  } else {
    rest = without_comment(rest);
  }
  const std::string_view raw = trimmed(line.substr(end));
  const auto inner = quoted_value(has_sign ? trimmed(raw.substr(1)) : raw);
  parsed.value = std::string(inner ? *inner : rest);
  return parsed;
}

}  // namespace

std::vector<std::string> ConfigLine::values() const {
  if (!value) {
    return {};
  }
  const std::string_view text = *value;
  if (!text.starts_with('[') || !text.ends_with(']')) {
    return {*value};
  }
  std::vector<std::string> elements;
  for (const std::string_view part : split(text.substr(1, text.size() - 2), ',')) {
    const std::string_view element = trimmed(part);
    if (!element.empty()) {
      elements.emplace_back(quoted_value(element).value_or(element));
    }
  }
  return elements;
}

Result<std::vector<ConfigLine>> parse_config(std::string_view text) {
  std::vector<ConfigLine> lines;
  int number = 0;
  for (const std::string_view whole : split(text, '\n')) {
    ++number;
    const std::string_view line = trimmed(whole);
    if (means_nothing(line)) {
      continue;
    }
    if (lines.size() >= kMaxLines) {
      return fail(Errc::exhausted, fmt::format("{}: more than {} settings", number, kMaxLines));
    }
    lines.push_back(parse_line(number, line));
    if (lines.back().key.empty()) {
      return fail(Errc::malformed, fmt::format("{}: no key before the value", number));
    }
  }
  return lines;
}

}  // namespace waggle
