// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/runtime_options.h"

#include <fmt/core.h>

#include <array>
#include <limits>
#include <string>
#include <string_view>

#include "userspace/cli/java_options.h"
#include "userspace/cli/option_values.h"
#include "userspace/cli/target_options.h"
#include "userspace/tools/phpspy/command.h"

namespace waggle {

namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();

Result<> read_python(const ParsedArguments& parsed, RecordOptions& options) {
  if (const std::string* text = parsed.find("python-mode")) {
    constexpr auto kNames = std::to_array<std::string_view>(
        {"auto", "ebpf", "pyperf", "pyspy", "py-spy", "disabled", "none"});
    constexpr auto kModes = std::to_array({PythonMode::automatic, PythonMode::ebpf,
                                           PythonMode::ebpf, PythonMode::py_spy, PythonMode::py_spy,
                                           PythonMode::disabled, PythonMode::disabled});
    options.python_mode = kModes[TRY(parse_choice("python-mode", *text, kNames))];
  }
  if (parsed.has("no-python")) {
    options.python_mode = PythonMode::disabled;
  }
  TRY(read_tool_path(parsed, "py-spy-path", options.py_spy_path));
  options.py_spy_pids = TRY(read_pids(parsed, "python-pyspy-process"));
  if (const std::string* text = parsed.find("python-lines")) {
    constexpr auto kNames = std::to_array<std::string_view>({"first", "current"});
    options.has_python_lines =
        kNames[TRY(parse_choice("python-lines", *text, kNames))] == "current";
  }
  options.has_python_eval_frames = parsed.has("python-eval-frames");
  options.has_python_versions = !parsed.has("no-python-versions");
  if (const std::string* text = parsed.find("python-skip-pyperf-profiler-above")) {
    options.max_python_processes = static_cast<std::uint32_t>(
        TRY(parse_integer("python-skip-pyperf-profiler-above", *text, 0, kMaxInt)));
  }
  return {};
}

// --NAME-mode TOOL|disabled|none and --no-NAME.
Result<bool> read_mode(const ParsedArguments& parsed, std::string_view name, std::string_view tool,
                       bool is_default) {
  const std::string option = fmt::format("{}-mode", name);
  bool is_on = is_default;
  if (const std::string* text = parsed.find(option)) {
    const auto modes = std::to_array<std::string_view>({tool, "disabled", "none"});
    is_on = TRY(parse_choice(option, *text, modes)) == 0;
  }
  return is_on && !parsed.has(fmt::format("no-{}", name));
}

// Perf maps are read for every program that writes one; attach-maps has those written that are not.
Result<> read_nodejs(const ParsedArguments& parsed, RecordOptions& options) {
  TRY(read_tool_path(parsed, "node-linux-perf-path", options.node_linux_perf_path));
  const std::string* text = parsed.find("nodejs-mode");
  if (text == nullptr) {
    return {};
  }
  constexpr auto kModes =
      std::to_array<std::string_view>({"attach-maps", "perf", "disabled", "none"});
  const std::size_t mode = TRY(parse_choice("nodejs-mode", *text, kModes));
  const bool has_fp = options.perf_mode == PerfMode::fp && !options.is_perf_disabled;
  if (kModes[mode] == "perf" && !has_fp) {
    return fail(Errc::malformed, "--nodejs-mode: perf needs --perf-mode fp");
  }
  const bool attaches = kModes[mode] == "attach-maps";
  if (attaches && !has_fp && options.perf_mode != PerfMode::smart) {
    return fail(Errc::malformed, "--nodejs-mode: attach-maps needs --perf-mode fp or smart");
  }
  options.attaches_node_maps = attaches && !parsed.has("no-nodejs");
  return {};
}

}  // namespace

Result<> read_tool_path(const ParsedArguments& parsed, std::string_view option, std::string& path) {
  if (const std::string* text = parsed.find(option)) {
    if (text->empty()) {
      return fail(Errc::malformed, fmt::format("--{}: \"\" is no file", option));
    }
    path = *text;
  }
  return {};
}

Result<> read_runtimes(const ParsedArguments& parsed, RecordOptions& options) {
  TRY(read_python(parsed, options));
  TRY(read_java(parsed, options));
  TRY(read_nodejs(parsed, options));
  options.has_ruby = TRY(read_mode(parsed, "ruby", "rbspy", true));
  TRY(read_tool_path(parsed, "rbspy-path", options.rbspy_path));
  options.has_php = TRY(read_mode(parsed, "php", "phpspy", false));
  TRY(read_tool_path(parsed, "phpspy-path", options.phpspy_path));
  if (const std::string* text = parsed.find("php-proc-filter")) {
    const Result<> is_filter = check_php_filter(*text);
    if (!is_filter) {
      return fail(Errc::malformed, fmt::format("--php-proc-filter: {}", is_filter.error().what));
    }
    options.php_filter = *text;
  }
  options.has_dotnet = TRY(read_mode(parsed, "dotnet", "dotnet-trace", false));
  return read_tool_path(parsed, "dotnet-trace-path", options.dotnet_trace_path);
}

}  // namespace waggle
