// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/output_path.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "userspace/cli/option_values.h"

namespace waggle {

namespace {

struct FormatName {
  OutputFormat format;
  std::string_view name;
  std::string_view ending;
};
constexpr auto kFormats = std::to_array<FormatName>({
    {OutputFormat::html, "html", ".html"},
    {OutputFormat::col, "col", ".col"},
});

const FormatName& name_of(OutputFormat format) {
  return *std::ranges::find(kFormats, format, &FormatName::format);
}

Result<OutputTarget> choose_output(const std::string& path, std::optional<OutputFormat> format) {
  if (path == "-") {
    return OutputTarget{path, format.value_or(OutputFormat::col)};
  }
  const auto by_ending = std::ranges::find_if(
      kFormats, [&](const FormatName& known) { return path.ends_with(known.ending); });
  if (by_ending == kFormats.end()) {
    return fail(Errc::malformed,
                fmt::format("--output: {} must end in .html or .col", quoted(path)));
  }
  if (format && *format != by_ending->format) {
    return fail(Errc::malformed, fmt::format("--format: {} is against the ending of {}",
                                             name_of(*format).name, quoted(path)));
  }
  return OutputTarget{path, by_ending->format};
}

}  // namespace

Result<OutputFormat> parse_output_format(std::string_view text) {
  const auto found = std::ranges::find(kFormats, text, &FormatName::name);
  if (found != kFormats.end()) {
    return found->format;
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  // gProfiler's -f is the rate.
  const bool is_rate = !text.empty() && std::ranges::all_of(text, is_digit);
  return fail(Errc::malformed, fmt::format("--format: {} is none of html, col{}", quoted(text),
                                           is_rate ? " (the rate is -F)" : ""));
}

Result<std::vector<OutputTarget>> choose_outputs(std::span<const std::string> paths,
                                                 std::optional<OutputFormat> format) {
  std::vector<OutputTarget> outputs;
  for (const std::string& path : paths) {
    OutputTarget output = TRY(choose_output(path, format));
    if (std::ranges::find(outputs, output) != outputs.end()) {
      return fail(Errc::malformed, fmt::format("--output: {} is given twice", quoted(path)));
    }
    outputs.push_back(std::move(output));
  }
  if (outputs.empty()) {
    outputs.push_back({.path = "", .format = format.value_or(OutputFormat::html)});
  }
  return outputs;
}

std::string default_output_name(std::chrono::system_clock::time_point end, OutputFormat format) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(end);
  return fmt::format("waggle_{:%Y-%m-%dT%H-%M-%S}{}", fmt::gmtime(seconds), name_of(format).ending);
}

}  // namespace waggle
