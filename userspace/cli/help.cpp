// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/help.h"

#include <fmt/core.h>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::size_t kWidth = 80;
constexpr std::size_t kHelpColumn = 27;

constexpr Option kHelpOption = {
    .name = "help", .letter = 'h', .group = "Other", .help = "this text"};

std::string option_lines(const Option& option) {
  std::string line = option.letter == '\0' ? "      " : fmt::format("  -{}, ", option.letter);
  line += fmt::format("--{}", option.name);
  if (!option.value.empty()) {
    line += fmt::format(" {}", option.value);
  }
  if (line.size() + 2 > kHelpColumn) {
    line += fmt::format("\n{:{}}", "", kHelpColumn);
  } else {
    line.resize(kHelpColumn, ' ');
  }
  std::string help(option.help);
  if (!option.alias.empty()) {
    help += fmt::format(" (also --{})", option.alias);
  }
  return line + wrapped(help, kWidth, kHelpColumn, kHelpColumn) + '\n';
}

std::string option_groups(const Syntax& syntax) {
  std::string text;
  std::string_view group;
  const auto add = [&](const Option& option) {
    if (option.group != group) {
      group = option.group;
      text += fmt::format("\n{}:\n", group);
    }
    text += option_lines(option);
  };
  for (const Option& option : syntax.options) {
    add(option);
  }
  add(kHelpOption);
  return text;
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent,
                    std::size_t used) {
  std::string lines;
  std::size_t column = used;
  bool is_line_start = true;
  for (const std::string_view word : split(text, ' ')) {
    if (!is_line_start && column + 1 + word.size() > width) {
      lines += fmt::format("\n{:{}}", "", indent);
      column = indent;
      is_line_start = true;
    }
    if (!is_line_start) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
    is_line_start = false;
  }
  return lines;
}

std::string help_text(const Syntax& syntax) {
  std::string text = fmt::format("Usage: waggle {} [OPTION...]{}\n\n{}\n", syntax.verb,
                                 syntax.takes_command ? " [-- COMMAND [ARG...]]" : "",
                                 wrapped(syntax.purpose, kWidth, 0, 0));
  text += option_groups(syntax);
  if (!syntax.examples.empty()) {
    text += "\nExamples:\n";
  }
  for (const Example& example : syntax.examples) {
    text += fmt::format("  {}\n      {}\n", example.command,
                        wrapped(example.explanation, kWidth, 6, 6));
  }
  text += fmt::format("\nExit status:\n{}", syntax.exit_statuses);
  return text;
}

}  // namespace waggle
