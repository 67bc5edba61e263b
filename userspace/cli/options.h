// SPDX-License-Identifier: Apache-2.0
// One table of options per verb: parsing, --help and completions come from it.
// Not for what values mean: see option_values.h and <verb>_options.h.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

inline constexpr std::string_view kNone;  // no alias, no value

struct Option {
  std::string_view name;                   // "duration": what ParsedArguments calls it
  char letter = '\0';                      // 'd'; '\0' is none
  std::string_view alias = kNone;          // "profiling-duration"
  std::string_view value = kNone;          // "SECONDS"; a flag has none
  std::string_view value_if_none = kNone;  // of one that may stand without; else it needs one
  std::string_view group;                  // heading in --help; options of a group stand together
  std::string_view help;
  char other_letter = '\0';  // means the same; not in --help
};

struct Example {
  std::string_view command;
  std::string_view explanation;
};

// What one verb accepts.  All views are of string literals.
struct Syntax {
  std::string_view verb;       // "record"
  std::string_view purpose;    // one paragraph
  bool takes_command = false;  // "-- COMMAND [ARG...]"
  std::span<const Option> options;
  std::span<const Example> examples;
  std::string_view exit_statuses;  // lines "  0  ok\n"
};

// The command line taken apart, values still text.  An option given twice keeps both values, in
// order; a flag's value is "".
struct ParsedArguments {
  std::map<std::string, std::vector<std::string>, std::less<>> values;  // by Option::name
  bool has_command = false;                                             // "--" was there
  std::vector<std::string> command;

  [[nodiscard]] bool has(std::string_view name) const { return values.contains(name); }
  // All values, or none.
  [[nodiscard]] std::span<const std::string> all(std::string_view name) const;
  // The value given last, or null.
  [[nodiscard]] const std::string* find(std::string_view name) const;
};

// `arguments` without program and verb.  Names are never guessed from their beginning.
// Errc::malformed: one line without the program's name, fit for a person.
Result<ParsedArguments> parse_arguments(const Syntax& syntax,
                                        std::span<const std::string> arguments);

// Of options that are given more than once, each value: the last one holds, and another may be
// none. An error is that of a value that `read` takes neither beside the other options nor by
// itself.
Result<> check_each_value(const ParsedArguments& parsed,
                          const std::function<Result<>(const ParsedArguments&)>& read);

// Whether `flag` ("--help") stands before any "--".
bool asks_for(std::string_view flag, std::span<const std::string> arguments);

}  // namespace waggle
