// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_options.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <climits>
#include <limits>
#include <utility>

#include "base/text.h"
#include "bpf/abi/select.h"
#include "userspace/cli/budget_options.h"
#include "userspace/cli/option_values.h"
#include "userspace/tools/phpspy/command.h"

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

Result<std::vector<std::string>> read_names(const ParsedArguments& parsed,
                                            std::string_view option) {
  const auto names = parsed.all(option);
  for (const std::string& name : names) {
    if (name.empty() || name.size() >= PATH_MAX) {
      return fail(Errc::malformed,
                  fmt::format("--{}: {} is {}", option, quoted(name),
                              name.empty() ? "no name" : "longer than a path can be"));
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

// As Docker, Podman and Kubernetes take them.
bool is_name_of_container(std::string_view text) {
  constexpr std::size_t kMaxBytes = 512;
  constexpr std::string_view kLetters =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-";
  return text.size() <= kMaxBytes && text.front() != '.' && text.front() != '-' &&
         text.find_first_not_of(kLetters) == std::string_view::npos;
}

Result<std::vector<std::string>> read_sockets(const ParsedArguments& parsed,
                                              const std::string& option) {
  constexpr std::size_t kMaxBytes = 107;  // unix(7)
  std::vector<std::string> sockets = TRY(read_names(parsed, option));
  for (const std::string& socket : sockets) {
    if (socket.size() > kMaxBytes) {
      return fail(Errc::malformed,
                  fmt::format("--{}: {} is longer than the path of a socket can be", option,
                              quoted(socket)));
    }
  }
  return sockets;
}

Result<> read_containers(const ParsedArguments& parsed, RecordOptions& options) {
  options.containers = TRY(read_names(parsed, "container"));
  options.has_container_names = !parsed.has("disable-container-names");
  options.container_sockets = TRY(read_sockets(parsed, "container-socket"));
  options.cri_sockets = TRY(read_sockets(parsed, "cri-socket"));
  for (const std::string& container : options.containers) {
    if (!is_name_of_container(container)) {
      return fail(Errc::malformed,
                  fmt::format("--container: {} is neither an id nor a name (docker ps, podman ps "
                              "and crictl ps show them)",
                              quoted(container)));
    }
    if (!options.has_container_names && !is_start_of_container_id(container)) {
      return fail(Errc::malformed,
                  fmt::format("--container: {} is no id, and --disable-container-names asks for "
                              "no names",
                              quoted(container)));
    }
  }
  return {};
}

Result<> read_ranking(const ParsedArguments& parsed, RecordOptions& options) {
  constexpr int kMax = SEL_MAX_CGROUPS;
  options.ranks_cgroups = parsed.has("perf-use-cgroups");
  for (const auto& [name, limit] :
       {std::pair("perf-max-cgroups", &options.ranking.cgroups),
        std::pair("perf-max-docker-containers", &options.ranking.containers)}) {
    if (const std::string* text = parsed.find(name)) {
      *limit = static_cast<std::size_t>(TRY(parse_integer(name, *text, 0, kMax)));
      if (!options.ranks_cgroups) {
        return fail(Errc::malformed, fmt::format("--{}: needs --perf-use-cgroups", name));
      }
    }
  }
  if (!options.ranks_cgroups) {
    return {};
  }
  if (options.ranking.cgroups == 0 && options.ranking.containers == 0) {
    return fail(Errc::malformed,
                "--perf-max-cgroups: 0 needs --perf-max-docker-containers, else nothing is left");
  }
  const std::string_view other = !options.cgroups.empty()      ? "--cgroup"
                                 : !options.containers.empty() ? "--container"
                                                               : "";
  if (!other.empty()) {
    return fail(Errc::malformed, fmt::format("--perf-use-cgroups: cannot go with {}", other));
  }
  return {};
}

// All but the processes' numbers.
Result<> read_filters(const ParsedArguments& parsed, RecordOptions& options) {
  options.cgroups = TRY(read_names(parsed, "cgroup"));
  options.excluded_cgroups = TRY(read_names(parsed, "cgroup-exclude"));
  TRY(read_containers(parsed, options));
  options.comms = TRY(read_names(parsed, "comm"));
  options.is_dry_run = parsed.has("dry-run");
  TRY(read_ranking(parsed, options));
  const std::string_view filter = !options.comms.empty()              ? "--comm"
                                  : !options.excluded_cgroups.empty() ? "--cgroup-exclude"
                                  : options.ranks_cgroups             ? "--perf-use-cgroups"
                                                                      : "";
  if (!filter.empty() && options.engine == Engine::fallback) {
    return fail(Errc::malformed,
                fmt::format("{}: cannot go with --engine fallback, which cannot tell", filter));
  }
  return {};
}

Result<> check_command(const RecordOptions& options) {
  const std::string_view filter = !options.pids.empty() ? "--pids"
                                  : options.is_dry_run  ? "--dry-run"
                                                        : kernel_filter_of(options);
  if (filter.empty()) {
    return {};
  }
  return fail(Errc::malformed, fmt::format("{}: cannot go with a command after \"--\"", filter));
}

// Sorted, without duplicates.
Result<std::vector<pid_t>> read_pids(const ParsedArguments& parsed, std::string_view option) {
  std::vector<pid_t> pids;
  for (const std::string& list : parsed.all(option)) {
    for (const std::string_view pid : split(list, ',')) {
      pids.push_back(TRY(parse_integer(option, pid, 1, kMaxInt)));
    }
  }
  std::ranges::sort(pids);
  const auto duplicates = std::ranges::unique(pids);
  pids.erase(duplicates.begin(), duplicates.end());
  return pids;
}

Result<> read_targets(const ParsedArguments& parsed, RecordOptions& options) {
  options.pids = TRY(read_pids(parsed, "pids"));
  options.with_children = parsed.has("children");
  options.command = parsed.command;
  if (options.with_children && options.pids.empty()) {
    return fail(Errc::malformed, "--children: needs --pids");
  }
  TRY(read_filters(parsed, options));
  return parsed.has_command ? check_command(options) : Result<>();
}

Result<> read_perf(const ParsedArguments& parsed, RecordOptions& options) {
  if (const std::string* text = parsed.find("perf-path")) {
    if (text->empty()) {
      return fail(Errc::malformed, "--perf-path: \"\" is no file");
    }
    options.perf_path = *text;
  }
  if (const std::string* text = parsed.find("perf-mode")) {
    constexpr auto kNames =
        std::to_array<std::string_view>({"fp", "dwarf", "smart", "disabled", "none"});
    constexpr auto kModes = std::to_array({PerfMode::fp, PerfMode::dwarf, PerfMode::smart});
    const std::size_t choice = TRY(parse_choice("perf-mode", *text, kNames));
    options.is_perf_disabled = choice >= kModes.size();
    options.perf_mode = options.is_perf_disabled ? PerfMode::fp : kModes[choice];
  }
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

Result<> read_python(const ParsedArguments& parsed, RecordOptions& options) {
  if (const std::string* text = parsed.find("python-mode")) {
    constexpr auto kNames =
        std::to_array<std::string_view>({"auto", "ebpf", "pyperf", "pyspy", "py-spy", "disabled"});
    constexpr auto kModes =
        std::to_array({PythonMode::automatic, PythonMode::ebpf, PythonMode::ebpf,
                       PythonMode::py_spy, PythonMode::py_spy, PythonMode::disabled});
    options.python_mode = kModes[TRY(parse_choice("python-mode", *text, kNames))];
  }
  if (parsed.has("no-python")) {
    options.python_mode = PythonMode::disabled;
  }
  if (const std::string* text = parsed.find("py-spy-path")) {
    if (text->empty()) {
      return fail(Errc::malformed, "--py-spy-path: \"\" is no file");
    }
    options.py_spy_path = *text;
  }
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

// Into `path`, if it is given.
Result<> read_path(const ParsedArguments& parsed, std::string_view option, std::string& path) {
  if (const std::string* text = parsed.find(option)) {
    if (text->empty()) {
      return fail(Errc::malformed, fmt::format("--{}: \"\" is no file", option));
    }
    path = *text;
  }
  return {};
}

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

Result<> read_java(const ParsedArguments& parsed, RecordOptions& options) {
  if (const std::string* text = parsed.find("java-async-profiler-mode")) {
    constexpr auto kNames = std::to_array<std::string_view>({"auto", "cpu", "itimer", "wall"});
    constexpr auto kModes =
        std::to_array({JavaMode::cpu, JavaMode::cpu, JavaMode::itimer, JavaMode::wall});
    if (*text == "alloc" && options.mode != ProfilingMode::allocation) {
      return fail(Errc::malformed, "--java-async-profiler-mode: alloc needs --mode allocation");
    }
    if (*text != "alloc") {
      options.java_mode = kModes[TRY(parse_choice("java-async-profiler-mode", *text, kNames))];
    }
  }
  bool is_disabled = parsed.has("no-java");
  if (const std::string* text = parsed.find("java-mode")) {
    constexpr auto kNames = std::to_array<std::string_view>({"ap", "disabled"});
    is_disabled |= kNames[TRY(parse_choice("java-mode", *text, kNames))] == "disabled";
  }
  options.java_mode = is_disabled ? JavaMode::disabled : options.java_mode;
  if (is_disabled && options.mode == ProfilingMode::allocation) {
    return fail(Errc::malformed, "--mode: allocation is of Java alone, which is switched off");
  }
  TRY(read_path(parsed, "async-profiler-path", options.async_profiler_path));
  TRY(read_safemode(parsed, options));
  TRY(read_path(parsed, "jattach-path", options.jattach_path));
  if (const std::string* text = parsed.find("java-async-profiler-args")) {
    constexpr std::size_t kMaxBytes = 512;  // a JVM takes 1,023 with ours
    if (text->size() > kMaxBytes || text->find('\0') != std::string::npos) {
      return fail(Errc::malformed,
                  fmt::format("--java-async-profiler-args: {} bytes at most", kMaxBytes));
    }
    options.async_profiler_args = *text;
  }
  if (const std::string* text = parsed.find("java-jattach-timeout")) {
    options.java_patience_s = TRY(parse_integer("java-jattach-timeout", *text, 1, kMaxInt));
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
  TRY(read_path(parsed, "node-linux-perf-path", options.node_linux_perf_path));
  const std::string* text = parsed.find("nodejs-mode");
  if (text == nullptr) {
    return {};
  }
  constexpr auto kModes =
      std::to_array<std::string_view>({"attach-maps", "perf", "disabled", "none"});
  const std::size_t mode = TRY(parse_choice("nodejs-mode", *text, kModes));
  if (kModes[mode] == "perf" && options.perf_mode != PerfMode::fp) {
    return fail(Errc::malformed, "--nodejs-mode: perf needs --perf-mode fp");
  }
  const bool attaches = kModes[mode] == "attach-maps";
  if (attaches && options.perf_mode != PerfMode::fp && options.perf_mode != PerfMode::smart) {
    return fail(Errc::malformed, "--nodejs-mode: attach-maps needs --perf-mode fp or smart");
  }
  options.attaches_node_maps = attaches && !parsed.has("no-nodejs");
  return {};
}

Result<> read_runtimes(const ParsedArguments& parsed, RecordOptions& options) {
  TRY(read_nodejs(parsed, options));
  options.has_ruby = TRY(read_mode(parsed, "ruby", "rbspy", true));
  TRY(read_path(parsed, "rbspy-path", options.rbspy_path));
  options.has_php = TRY(read_mode(parsed, "php", "phpspy", false));
  TRY(read_path(parsed, "phpspy-path", options.phpspy_path));
  if (const std::string* text = parsed.find("php-proc-filter")) {
    const Result<> is_filter = check_php_filter(*text);
    if (!is_filter) {
      return fail(Errc::malformed, fmt::format("--php-proc-filter: {}", is_filter.error().what));
    }
    options.php_filter = *text;
  }
  options.has_dotnet = TRY(read_mode(parsed, "dotnet", "dotnet-trace", false));
  return read_path(parsed, "dotnet-trace-path", options.dotnet_trace_path);
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
  options.has_metadata = !parsed.has("disable-metadata-collection");
  options.has_metrics = !parsed.has("disable-metrics-collection");
  options.asks_cloud = parsed.has("cloud-metadata");
  if (options.asks_cloud && !options.has_metadata) {
    return fail(Errc::malformed, "--cloud-metadata: cannot go with --disable-metadata-collection");
  }
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

bool is_start_of_container_id(std::string_view text) {
  constexpr std::size_t kMaxDigits = 64;
  return text.size() <= kMaxDigits && !text.starts_with('-') &&
         text.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

std::string_view kernel_filter_of(const RecordOptions& options) {
  return !options.cgroups.empty()            ? "--cgroup"
         : !options.excluded_cgroups.empty() ? "--cgroup-exclude"
         : !options.containers.empty()       ? "--container"
         : options.ranks_cgroups             ? "--perf-use-cgroups"
         : !options.comms.empty()            ? "--comm"
                                             : "";
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
  TRY(read_python(parsed, options));
  TRY(read_runtimes(parsed, options));
  TRY(read_java(parsed, options));
  TRY(read_applications(parsed, options));
  return read_messages(parsed, options);
}

Result<RecordOptions> parse_record_options(std::span<const std::string> arguments) {
  const ParsedArguments parsed = TRY(parse_arguments(record_syntax(), arguments));
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

}  // namespace waggle
