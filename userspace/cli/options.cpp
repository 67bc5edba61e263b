// SPDX-License-Identifier: Apache-2.0
// Boost.Program_options splits the words; its exceptions end here, and its wording with them.
#include "userspace/cli/options.h"

#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <fmt/core.h>

#include <algorithm>

#include "userspace/cli/gprofiler_names.h"
#include "userspace/cli/option_values.h"

namespace waggle {

namespace po = boost::program_options;

namespace {

constexpr std::string_view kOther = " (other letter)";  // nobody can write that

po::options_description describe(const Syntax& syntax) {
  po::options_description description;
  for (const Option& option : syntax.options) {
    std::string names(option.name);
    if (!option.alias.empty()) {
      names += fmt::format(",{}", option.alias);
    }
    if (option.letter != '\0') {
      names += fmt::format(",{}", option.letter);
    }
    const bool is_flag = option.value.empty();
    description.add_options()(names.c_str(), new po::untyped_value(is_flag));  // Boost owns it
    if (option.other_letter != '\0') {  // Boost has one letter for an option
      const std::string other = fmt::format("{}{},{}", option.name, kOther, option.other_letter);
      description.add_options()(other.c_str(), new po::untyped_value(is_flag));
    }
  }
  return description;
}

const Option* find_option(const Syntax& syntax, std::string_view word) {
  const auto is_named = [&](const Option& option) {
    return word == fmt::format("-{}", option.other_letter) ||
           word == fmt::format("--{}", option.name) || word == fmt::format("--{}", option.alias) ||
           word == fmt::format("-{}", option.letter);
  };
  const auto found = std::ranges::find_if(syntax.options, is_named);
  return found == syntax.options.end() ? nullptr : &*found;
}

// The name alone: "--token=secret" -> "--token", and of bundled letters the one that is unknown.
std::string name_in(const Syntax& syntax, std::string_view word) {
  if (word.starts_with("--")) {
    return std::string(word.substr(0, word.find('=')));
  }
  for (const char letter : word.substr(std::min<std::size_t>(1, word.size()))) {
    const std::string name = {'-', letter};
    if (find_option(syntax, name) == nullptr) {
      return name;
    }
  }
  return std::string(word);
}

std::string unknown_option(const Syntax& syntax, std::string_view word_given) {
  const std::string word = name_in(syntax, word_given);
  if (is_gprofiler_option(word)) {
    return fmt::format("{}: not built yet", word);
  }
  return fmt::format("unknown option {} (see 'waggle {} --help')", quoted(word), syntax.verb);
}

// `word`: "--duration" or "-d".
std::string wrong_value(const Syntax& syntax, const std::string& word) {
  const Option* option = find_option(syntax, word);
  if (option == nullptr) {
    return unknown_option(syntax, word);
  }
  if (option->value.empty()) {
    return fmt::format("--{}: takes no value", option->name);
  }
  return fmt::format("--{}: needs a value (--{} {})", option->name, option->name, option->value);
}

// Boost knows neither "--name=" nor options that may do without a value.
std::vector<std::string> with_values(const Syntax& syntax, std::span<const std::string> given) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string& word = given[i];
    const std::size_t equals = word.find('=');
    const Option* option = find_option(syntax, std::string_view(word).substr(0, equals));
    words.push_back(word);
    if (option == nullptr || option->value_if_none.empty()) {
      continue;
    }
    if (equals == word.size() - 1) {
      words.back().pop_back();
      words.emplace_back();
    } else if (equals == std::string::npos) {
      const bool has_value = i + 1 < given.size() && !given[i + 1].starts_with('-');
      words.push_back(has_value ? given[++i] : std::string(option->value_if_none));
    }
  }
  return words;
}

Result<po::parsed_options> split_words(const Syntax& syntax, const std::vector<std::string>& words,
                                       const po::options_description& description) {
  constexpr int kStyle =
      po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  try {
    return po::command_line_parser(words).options(description).style(kStyle).run();
  } catch (const po::unknown_option& error) {
    return fail(Errc::malformed, unknown_option(syntax, error.get_option_name()));
  } catch (const po::error_with_option_name& error) {
    return fail(Errc::malformed, wrong_value(syntax, error.get_option_name()));
  } catch (const po::error&) {
    return fail(Errc::malformed,
                fmt::format("the options cannot be read (see 'waggle {} --help')", syntax.verb));
  }
}

}  // namespace

std::span<const std::string> ParsedArguments::all(std::string_view name) const {
  const auto found = values.find(name);
  return found == values.end() ? std::span<const std::string>() : found->second;
}

const std::string* ParsedArguments::find(std::string_view name) const {
  const auto given = all(name);
  return given.empty() ? nullptr : &given.back();
}

Result<ParsedArguments> parse_arguments(const Syntax& syntax,
                                        std::span<const std::string> arguments) {
  const auto dashes = std::ranges::find(arguments, "--");
  const std::vector<std::string> words = with_values(syntax, std::span(arguments.begin(), dashes));
  ParsedArguments parsed;
  parsed.has_command = dashes != arguments.end();
  if (parsed.has_command) {
    if (!syntax.takes_command) {
      return fail(Errc::malformed, fmt::format("\"--\": {} takes no command", syntax.verb));
    }
    parsed.command.assign(dashes + 1, arguments.end());
    if (parsed.command.empty()) {
      return fail(Errc::malformed, "\"--\": a command must follow");
    }
  }
  const po::options_description description = describe(syntax);
  const po::parsed_options found = TRY(split_words(syntax, words, description));
  for (const po::option& option : found.options) {
    if (option.position_key >= 0) {
      const std::string_view remedy = syntax.takes_command ? " (a command goes after \"--\")" : "";
      return fail(Errc::malformed,
                  fmt::format("stray argument {}{}", quoted(option.value.front()), remedy));
    }
    // "--output --quiet": Boost takes the second for a file.
    const auto& tokens = option.original_tokens;
    if (tokens.size() == 2 && find_option(syntax, tokens.back()) != nullptr) {
      return fail(Errc::malformed, wrong_value(syntax, tokens.front()));
    }
    std::string name = option.string_key;
    if (name.ends_with(kOther)) {
      name.resize(name.size() - kOther.size());
    }
    parsed.values[name].push_back(option.value.empty() ? "" : option.value.front());
  }
  return parsed;
}

Result<> check_each_value(const ParsedArguments& parsed,
                          const std::function<Result<>(const ParsedArguments&)>& read) {
  for (const auto& [name, values] : parsed.values) {
    if (values.size() < 2) {
      continue;
    }
    ParsedArguments beside = parsed;
    for (const std::string& value : values) {
      beside.values[name] = {value};
      const Result<> by_itself =
          read(beside) ? Result<>() : read({.values = {{name, {value}}}, .command = {}});
      if (!by_itself && by_itself.error().what.starts_with(fmt::format("--{}:", name))) {
        return by_itself;
      }
    }
  }
  return {};
}

bool asks_for(std::string_view flag, std::span<const std::string> arguments) {
  const auto dashes = std::ranges::find(arguments, "--");
  return std::find(arguments.begin(), dashes, flag) != dashes;
}

}  // namespace waggle
