// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_options.h"

#include <fmt/core.h>

#include <array>
#include <bit>
#include <climits>
#include <limits>
#include <utility>

#include "userspace/attach/features.h"
#include "userspace/cli/budget_options.h"
#include "userspace/cli/option_values.h"
#include "userspace/cli/runtime_options.h"
#include "userspace/cli/target_options.h"

namespace waggle {

namespace {

constexpr int kDefaultDurationSeconds = 10;
constexpr int kMaxFrequencyHz = 10'000;
constexpr int kMinRingKib = 4;            // a page
constexpr int kMaxRingKib = 1024 * 1024;  // the kernel takes less than 2 GiB
constexpr int kMaxInt = std::numeric_limits<int>::max();

Result<> read_duration(const ParsedArguments& parsed, RecordOptions& options) {
  if (const std::string* text = parsed.find("duration")) {
    options.duration_s = TRY(parse_integer("duration", *text, 1, kMaxInt));
  } else if (!parsed.has_command) {
    options.duration_s = kDefaultDurationSeconds;
  }
  return {};
}

Result<> read_perf(const ParsedArguments& parsed, RecordOptions& options) {
  TRY(read_tool_path(parsed, "perf-path", options.perf_path));
  if (const std::string* text = parsed.find("perf-mode")) {
    constexpr auto kNames =
        std::to_array<std::string_view>({"fp", "dwarf", "smart", "disabled", "none"});
    constexpr auto kModes = std::to_array({PerfMode::fp, PerfMode::dwarf, PerfMode::smart});
    const std::size_t choice = TRY(parse_choice("perf-mode", *text, kNames));
    options.is_perf_disabled = choice >= kModes.size();
    options.perf_mode = options.is_perf_disabled ? PerfMode::fp : kModes[choice];
  }
  options.is_perf_disabled = options.is_perf_disabled || parsed.has("no-perf");
  options.restarts_large_perf = !parsed.has("perf-no-memory-restart");
  if (const std::string* text = parsed.find("perf-dwarf-stack-size")) {
    constexpr int kUnit = 8;  // the kernel takes whole words, less than 64 KiB of them
    constexpr int kMaxBytes = 65528;
    const int size = TRY(parse_integer("perf-dwarf-stack-size", *text, kUnit, kMaxBytes));
    if (size % kUnit != 0) {
      return fail(Errc::malformed, fmt::format("--perf-dwarf-stack-size: {} is no multiple of {}",
                                               quoted(*text), kUnit));
    }
    options.perf_dwarf_stack_bytes = size;
  }
  constexpr int kMaxDwarfHz = 100;  // each sample copies a stack: perf cannot write more
  if (options.perf_mode != PerfMode::fp && options.frequency_hz > kMaxDwarfHz) {
    return fail(Errc::malformed,
                fmt::format("--perf-mode: {} takes {} Hz at most (see -F)",
                            options.perf_mode == PerfMode::dwarf ? "dwarf" : "smart", kMaxDwarfHz));
  }
  return {};
}

Result<> read_sampling(const ParsedArguments& parsed, RecordOptions& options) {
  if (const std::string* text = parsed.find("frequency")) {
    options.frequency_hz = TRY(parse_integer("frequency", *text, 1, kMaxFrequencyHz));
  }
  if (const std::string* text = parsed.find("engine")) {
    constexpr auto kNames = std::to_array<std::string_view>({"auto", "ebpf", "fallback"});
    options.engine = static_cast<Engine>(TRY(parse_choice("engine", *text, kNames)));
  }
  if (const std::string* text = parsed.find("ring-size"); text != nullptr && *text != "0") {
    const int size = TRY(parse_integer("ring-size", *text, kMinRingKib, kMaxRingKib));
    options.ring_size_kib = static_cast<std::uint32_t>(size);
    if (!std::has_single_bit(options.ring_size_kib)) {
      return fail(Errc::malformed,
                  fmt::format("--ring-size: {} is not a power of two", quoted(*text)));
    }
  }
  if (const std::string* text = parsed.find("btf")) {
    if (const Result<> types = check_kernel_btf_file(*text); !types) {
      return fail(Errc::malformed, fmt::format("--btf: {}", types.error().what));
    }
    if (options.engine == Engine::fallback) {
      return fail(Errc::malformed, "--btf: cannot go with --engine fallback, which needs no types");
    }
    options.btf_path = *text;
  }
  if (const std::string* text = parsed.find("pin")) {
    if (text->empty()) {
      return fail(Errc::malformed, "--pin: \"\" is no directory");
    }
    options.pin_dir = *text;
  }
  if (const std::string* text = parsed.find("unwind-cache")) {
    if (text->empty()) {
      return fail(Errc::malformed, "--unwind-cache: \"\" is no directory");
    }
    options.unwind_cache_dir = *text;
  }
  return {};
}

Result<> read_limits(const ParsedArguments& parsed, RecordOptions& options) {
  for (const auto& [name, limit] :
       {std::pair("skip-system-profilers-above", &options.max_system_processes),
        std::pair("max-processes-runtime-profiler", &options.max_runtime_processes)}) {
    if (const std::string* text = parsed.find(name)) {
      *limit = static_cast<std::uint32_t>(TRY(parse_integer(name, *text, 0, kMaxInt)));
    }
  }
  options.profiles_spawned = parsed.has("profile-spawned-processes");
  const bool is_limited = !options.pids.empty() || !options.command.empty();
  if (options.profiles_spawned && is_limited) {
    return fail(Errc::malformed,
                fmt::format("--profile-spawned-processes: cannot go with {}",
                            options.pids.empty() ? "a command after \"--\"" : "--pids"));
  }
  if (const std::string* text = parsed.find("min-profiling-duration")) {
    options.min_profiling_duration_s =
        TRY(parse_integer("min-profiling-duration", *text, 0, kMaxInt));
  }
  return {};
}

Result<> read_output(const ParsedArguments& parsed, RecordOptions& options) {
  std::optional<OutputFormat> format;
  if (const std::string* text = parsed.find("format")) {
    format = TRY(parse_output_format(*text));
  }
  options.outputs = TRY(choose_outputs(parsed.all("output"), format));
  return {};
}

Result<> read_applications(const ParsedArguments& parsed, RecordOptions& options) {
  options.has_application_metadata = !parsed.has("disable-application-metadata");
  options.has_application_ids = !parsed.has("disable-application-identifiers");
  options.has_spark_ids = parsed.has("java-collect-spark-app-name-as-appid");
  for (const std::string& pattern : parsed.all("app-id-args-filter")) {
    if (const Result<> added = options.java_id_arguments.add(pattern); !added) {
      return fail(Errc::malformed,
                  fmt::format("--app-id-args-filter: {}: {}", quoted(pattern), added.error().what));
    }
  }
  return {};
}

Result<> read_messages(const ParsedArguments& parsed, RecordOptions& options) {
  options.has_thread_frames = parsed.has("threads");
  options.shows_files = parsed.has("insert-dso-name");
  options.has_metadata = !parsed.has("disable-metadata-collection");
  options.has_metrics = !parsed.has("disable-metrics-collection");
  const bool is_asked = parsed.has("cloud-metadata");
  const bool is_forbidden = parsed.has("no-cloud-metadata");
  if (is_asked && (is_forbidden || !options.has_metadata)) {
    return fail(Errc::malformed,
                fmt::format("--cloud-metadata: cannot go with --{}",
                            is_forbidden ? "no-cloud-metadata" : "disable-metadata-collection"));
  }
  options.cloud = is_forbidden || !options.has_metadata ? CloudAsking::never
                  : is_asked                            ? CloudAsking::always
                                                        : CloudAsking::where_it_is_one;
  if (const std::string* text = parsed.find("external-metadata")) {
    if (text->empty()) {
      return fail(Errc::malformed, "--external-metadata: \"\" is no file");
    }
    options.external_metadata = *text;
  }
  options.is_quiet = parsed.has("quiet");
  options.is_verbose = parsed.has("verbose");
  if (options.is_quiet && options.is_verbose) {
    return fail(Errc::malformed, "--quiet: cannot go with --verbose");
  }
  return {};
}

}  // namespace

std::string_view profiling_mode_name(ProfilingMode mode) {
  switch (mode) {
    case ProfilingMode::allocation:
      return "allocation";
    case ProfilingMode::none:
      return "none";
    case ProfilingMode::cpu:
      break;
  }
  return "cpu";
}

Result<> read_profiling_mode(const ParsedArguments& parsed, RecordOptions& options) {
  if (const std::string* text = parsed.find("mode")) {
    constexpr auto kNames = std::to_array<std::string_view>({"cpu", "allocation", "none"});
    options.mode = static_cast<ProfilingMode>(TRY(parse_choice("mode", *text, kNames)));
  }
  const bool is_allocation = options.mode == ProfilingMode::allocation;
  if (const std::string* text = parsed.find("alloc-interval")) {
    constexpr std::int64_t kMaxBytes = std::int64_t{1} << 40;
    options.alloc_interval_bytes = TRY(parse_size("alloc-interval", *text, 1, kMaxBytes));
    if (!is_allocation) {
      return fail(Errc::malformed, "--alloc-interval: needs --mode allocation");
    }
  }
  if (is_allocation && parsed.has("frequency")) {
    return fail(Errc::malformed,
                "--frequency: cannot go with --mode allocation, which has --alloc-interval");
  }
  return {};
}

Result<> read_recording(const ParsedArguments& parsed, RecordOptions& options) {
  TRY(read_sampling(parsed, options));
  TRY(read_targets(parsed, options));
  TRY(read_perf(parsed, options));
  TRY(read_limits(parsed, options));
  TRY(read_budget(parsed, options.budget));
  TRY(read_runtimes(parsed, options));
  TRY(read_applications(parsed, options));
  return read_messages(parsed, options);
}

namespace {

Result<RecordOptions> read_options(const ParsedArguments& parsed) {
  RecordOptions options;
  TRY(read_duration(parsed, options));
  TRY(read_profiling_mode(parsed, options));
  if (options.mode == ProfilingMode::none) {
    return fail(Errc::malformed, "--mode: none leaves no profiler to record with");
  }
  TRY(read_recording(parsed, options));
  TRY(read_output(parsed, options));
  return options;
}

Result<> check_options(const ParsedArguments& parsed) {
  TRY(read_options(parsed));
  return {};
}

}  // namespace

Result<RecordOptions> parse_record_options(std::span<const std::string> arguments) {
  const ParsedArguments parsed = TRY(parse_arguments(record_syntax(), arguments));
  TRY(check_each_value(parsed, check_options));
  return read_options(parsed);
}

}  // namespace waggle
