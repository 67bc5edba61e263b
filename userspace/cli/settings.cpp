// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/settings.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "userspace/cli/config_file.h"
#include "userspace/cli/gprofiler_names.h"
#include "userspace/cli/option_values.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;
constexpr std::array kUsualFiles = {"/etc/waggle/config.ini", "/etc/gprofiler/config.ini"};
constexpr std::array<std::string_view, 2> kPrefixes = {"WAGGLE_", "GPROFILER_"};

// "GPROFILER_PID_FILE" without its prefix -> "pid-file".
std::string as_option(std::string_view name) {
  std::string option(name);
  std::ranges::transform(option, option.begin(), [](char c) {
    return c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return option;
}

const Option* find_option(const Syntax& syntax, std::string_view name) {
  const auto found = std::ranges::find_if(syntax.options, [&](const Option& option) {
    return option.name == name || (!option.alias.empty() && option.alias == name);
  });
  return found == syntax.options.end() ? nullptr : &*found;
}

// Whether a flag is on; nothing: the word is neither.
std::optional<bool> read_flag(std::string_view word) {
  const std::string lower = as_option(word);
  if (lower == "true" || lower == "yes" || lower == "1") {
    return true;
  }
  if (lower == "false" || lower == "no" || lower == "0") {
    return false;
  }
  return std::nullopt;
}

// Options that no place before this one has.
class Place {
 public:
  Place(const Syntax& syntax, Settings& settings) : syntax_(syntax), settings_(settings) {}

  // `origin`: where it stands, and its name there.
  Result<> take(std::string_view name, std::span<const std::string> values,
                const std::string& origin) {
    const Option* option = find_option(syntax_, name);
    if (option == nullptr) {
      const bool is_off = values.size() == 1 && read_flag(values.front()) == false;
      return is_off ? Result<>() : fail(Errc::malformed, origin + "not built yet");
    }
    const std::string key(option->name);
    const bool is_decided = settings_.values.has(key) || settings_.origins.contains(key);
    if (is_decided && !mine_.contains(key)) {
      return {};
    }
    std::vector<std::string> taken(values.begin(), values.end());
    if (option->value.empty()) {
      TRY(take_flag(taken, origin));
    } else if (taken.empty()) {
      return fail(Errc::malformed, origin + "needs a value");
    }
    settings_.values.values.erase(key);
    if (!taken.empty()) {
      settings_.values.values[key] = std::move(taken);
    }
    settings_.origins[key] = origin;  // also of a flag that is off: it is decided
    mine_.insert(key);
    return {};
  }

 private:
  // A name alone switches it on.
  static Result<> take_flag(std::vector<std::string>& values, const std::string& origin) {
    const auto is_on = values.empty()       ? std::optional(true)
                       : values.size() == 1 ? read_flag(values.front())
                                            : std::nullopt;
    if (!is_on) {
      return fail(Errc::malformed,
                  fmt::format("{}{} is neither true nor false", origin, quoted(values.front())));
    }
    values.assign(*is_on ? 1 : 0, "");
    return {};
  }

  const Syntax& syntax_;
  Settings& settings_;
  std::set<std::string> mine_;
};

// Variables of other programs may begin as ours do: only the names of options are looked at.  One
// that is empty says nothing: whoever starts us may have no other way to leave it out.
Result<> take_environment(const Syntax& syntax, std::span<const std::string> environment,
                          Settings& settings) {
  for (const std::string_view prefix : kPrefixes) {
    Place place(syntax, settings);
    for (const std::string_view variable : environment) {
      const std::size_t sign = variable.find('=');
      if (!variable.starts_with(prefix) || sign == std::string_view::npos ||
          sign == variable.size() - 1) {
        continue;
      }
      const std::string_view name = variable.substr(0, sign);
      const std::string option = as_option(name.substr(prefix.size()));
      const bool is_known =
          find_option(syntax, option) != nullptr || is_gprofiler_option("--" + option);
      if (is_known && option != "config") {
        const std::array value = {std::string(variable.substr(sign + 1))};
        TRY(place.take(option, value, fmt::format("{}: ", name)));
      }
    }
  }
  return {};
}

Result<> take_file(const Syntax& syntax, const ConfigText& file, Settings& settings) {
  auto lines = parse_config(file.text);
  if (!lines) {
    return fail(lines.error().code, fmt::format("{}:{}", file.path, lines.error().what));
  }
  Place place(syntax, settings);
  for (const ConfigLine& line : *lines) {
    const std::vector<std::string> values = line.values();
    const std::string origin = fmt::format("{}:{}: ", file.path, line.number);
    const Option* option = find_option(syntax, line.key);
    if (option == nullptr && !is_gprofiler_option("--" + line.key)) {
      return fail(Errc::malformed, fmt::format("{}unknown key {}", origin, quoted(line.key)));
    }
    const std::string_view name = option == nullptr ? std::string_view(line.key) : option->name;
    TRY(place.take(line.key, values, fmt::format("{}{}: ", origin, name)));
  }
  return {};
}

}  // namespace

Error Settings::place(Error error) const {
  if (!error.what.starts_with("--")) {
    return error;
  }
  constexpr std::string_view kSign = ": ";
  const std::size_t end = error.what.find(kSign);
  const auto origin = origins.find(std::string_view(error.what).substr(2, end - 2));
  if (end != std::string::npos && origin != origins.end()) {
    error.what = origin->second + error.what.substr(end + kSign.size());
  }
  return error;
}

std::string Settings::text() const {
  std::string text;
  for (const auto& [name, given] : values.values) {
    for (const std::string& value : given) {
      text += value.empty() ? fmt::format("{}\n", name)
                            : fmt::format("{} = {}\n", name, printable(value));
    }
  }
  return text;
}

Result<Settings> merge_settings(const Syntax& syntax, std::span<const std::string> arguments,
                                const SettingSources& sources) {
  Settings settings;
  settings.values = TRY(parse_arguments(syntax, arguments));
  TRY(take_environment(syntax, sources.environment, settings));
  for (auto file = sources.files.rbegin(); file != sources.files.rend(); ++file) {
    TRY(take_file(syntax, *file, settings));
  }
  return settings;
}

Result<SettingSources> read_sources(const std::string* given) {
  SettingSources sources;
  for (char** variable = ::environ; variable != nullptr && *variable != nullptr; ++variable) {
    sources.environment.emplace_back(*variable);
  }
  for (const char* path : kUsualFiles) {
    auto text = read_file(path, kMaxConfigBytes);
    if (text) {
      sources.files.push_back({.path = path, .text = *std::move(text)});
      break;
    }
    if (::access(path, F_OK) == 0) {
      return std::unexpected(std::move(text).error());
    }
  }
  if (given != nullptr) {
    sources.files.push_back({.path = *given, .text = TRY(read_file(*given, kMaxConfigBytes))});
  }
  return sources;
}

}  // namespace waggle
