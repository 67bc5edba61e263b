// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/java_options.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "userspace/cli/option_values.h"
#include "userspace/cli/runtime_options.h"

namespace waggle {

namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();

Result<> read_safemode(const ParsedArguments& parsed, RecordOptions& options) {
  options.checks_java_version = !parsed.has("java-no-version-check");
  if (const std::string* text = parsed.find("java-safemode")) {
    const bool has_all = *text == "all";
    for (const SafemodeName& rule : kSafemodeNames) {
      options.java_safemode.*rule.flag = has_all;
    }
    std::array<std::string_view, kSafemodeNames.size()> names;
    std::ranges::transform(kSafemodeNames, names.begin(), &SafemodeName::name);
    const bool is_list = !has_all && !text->empty() && *text != "\"\"";
    for (const std::string_view name :
         is_list ? split(*text, ',') : std::vector<std::string_view>()) {
      const std::size_t rule = TRY(parse_choice("java-safemode", name, names));
      options.java_safemode.*kSafemodeNames[rule].flag = true;
    }
  }
  if (options.java_safemode.extended_version_checks && !options.checks_java_version) {
    return fail(Errc::malformed,
                "--java-no-version-check: cannot go with --java-safemode "
                "java-extended-version-checks");
  }
  return {};
}

Result<> read_event(const ParsedArguments& parsed, RecordOptions& options) {
  const std::string* text = parsed.find("java-async-profiler-mode");
  if (text == nullptr) {
    return {};
  }
  constexpr std::string_view kOption = "java-async-profiler-mode";
  constexpr auto kNames =
      std::to_array<std::string_view>({"auto", "cpu", "itimer", "wall", "alloc"});
  constexpr auto kModes = std::to_array(
      {JavaMode::automatic, JavaMode::cpu, JavaMode::itimer, JavaMode::wall, JavaMode::automatic});
  const std::size_t mode = TRY(parse_choice(kOption, *text, kNames));
  const bool is_allocation = options.mode == ProfilingMode::allocation;
  if (kNames[mode] == "alloc" && !is_allocation) {
    return fail(Errc::malformed, fmt::format("--{}: alloc needs --mode allocation", kOption));
  }
  if (is_allocation && kModes[mode] != JavaMode::automatic) {
    return fail(Errc::malformed,
                fmt::format("--{}: {} cannot go with --mode allocation, which is alloc", kOption,
                            kNames[mode]));
  }
  options.java_mode = kModes[mode];
  return {};
}

// The words of a list, however often it is given; "" and "\"\"" are none.
std::vector<std::string_view> words_of(const ParsedArguments& parsed, std::string_view option) {
  std::vector<std::string_view> words;
  for (const std::string_view text : parsed.all(option)) {
    if (!text.empty() && text != "\"\"") {
      std::ranges::copy(split(text, ','), std::back_inserter(words));
    }
  }
  return words;
}

Result<> read_features(const ParsedArguments& parsed, AsyncProfilerOptions& options) {
  constexpr std::string_view kOption = "java-async-profiler-features";
  constexpr auto kNames = std::to_array<std::string_view>({"probesp", "vtable", "comptask"});
  if (!parsed.has(kOption)) {
    return {};
  }
  std::vector<std::string_view> features;
  for (const std::string_view word : words_of(parsed, kOption)) {
    features.push_back(kNames[TRY(parse_choice(kOption, word, kNames))]);
  }
  options.features = fmt::format("{}", fmt::join(features, "+"));
  return {};
}

// What async-profiler is told.
Result<> read_agent(const ParsedArguments& parsed, AsyncProfilerOptions& options) {
  TRY(read_features(parsed, options));
  if (const std::string* text = parsed.find("java-async-profiler-mcache")) {
    constexpr int kMost = 255;
    options.name_age = TRY(parse_integer("java-async-profiler-mcache", *text, 0, kMost));
  }
  if (const std::string* text = parsed.find("java-async-profiler-safemode")) {
    constexpr int kMost = 63;
    options.safemode = TRY(parse_integer("java-async-profiler-safemode", *text, 0, kMost));
  }
  if (const std::string* text = parsed.find("java-line-numbers")) {
    constexpr auto kNames = std::to_array<std::string_view>({"none", "line-of-function"});
    options.has_line_numbers = TRY(parse_choice("java-line-numbers", *text, kNames)) == 1;
  }
  options.has_method_modifiers = parsed.has("java-include-method-modifiers");
  options.reports_memory = !parsed.has("java-async-profiler-no-report-meminfo");
  if (const std::string* text = parsed.find("java-async-profiler-args")) {
    constexpr std::size_t kMaxBytes = 512;  // a JVM takes 1,023 with ours
    if (text->size() > kMaxBytes || text->find('\0') != std::string::npos) {
      return fail(Errc::malformed,
                  fmt::format("--java-async-profiler-args: {} bytes at most", kMaxBytes));
    }
    options.more = *text;
  }
  return {};
}

// default, none, or names.
Result<> read_flags(const ParsedArguments& parsed, RecordOptions& options) {
  constexpr std::string_view kOption = "java-collect-jvm-flags";
  const std::vector<std::string_view> words = words_of(parsed, kOption);
  const bool is_word = words.size() == 1;
  if (is_word && words.front() == "all") {
    return fail(Errc::malformed,
                fmt::format("--{}: all would have to be asked of each JVM, which waggle does not: "
                            "default has those of its command line",
                            kOption));
  }
  if (is_word && words.front() == "default") {
    return {};
  }
  options.has_jvm_flags = !is_word || words.front() != "none";
  if (!options.has_jvm_flags) {
    return {};
  }
  for (const std::string_view word : words) {
    const bool is_name = !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '_';
    });
    if (!is_name) {
      return fail(Errc::malformed,
                  fmt::format("--{}: {} is no name of a flag", kOption, quoted(word)));
    }
    options.jvm_flags.emplace_back(word);
  }
  return {};
}

}  // namespace

Result<> read_java(const ParsedArguments& parsed, RecordOptions& options) {
  TRY(read_event(parsed, options));
  bool is_disabled = parsed.has("no-java");
  if (const std::string* text = parsed.find("java-mode")) {
    constexpr auto kNames = std::to_array<std::string_view>({"ap", "disabled", "none"});
    is_disabled |= TRY(parse_choice("java-mode", *text, kNames)) != 0;
  }
  options.java_mode = is_disabled ? JavaMode::disabled : options.java_mode;
  if (is_disabled && options.mode == ProfilingMode::allocation) {
    return fail(Errc::malformed, "--mode: allocation is of Java alone, which is switched off");
  }
  TRY(read_tool_path(parsed, "async-profiler-path", options.async_profiler_path));
  TRY(read_tool_path(parsed, "jattach-path", options.jattach_path));
  TRY(read_safemode(parsed, options));
  TRY(read_agent(parsed, options.async_profiler));
  TRY(read_flags(parsed, options));
  options.tells_whole_hserr = parsed.has("java-full-hserr");
  if (const std::string* text = parsed.find("java-jattach-timeout")) {
    options.java_patience_s = TRY(parse_integer("java-jattach-timeout", *text, 1, kMaxInt));
  }
  return {};
}

}  // namespace waggle
