// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/agent_options.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <climits>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "userspace/cli/option_values.h"

namespace waggle {

namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr int kMaxDurationSeconds = 86'400;
constexpr int kAgentFrequencyHz = 11;
constexpr int kMaxLockName = 100;  // an abstract socket's name has 107 bytes at most

constexpr std::string_view kOutput = "What is written";
constexpr std::string_view kProcess = "The agent itself";
constexpr std::string_view kOther = "Other";

constexpr auto kOwnOptions = std::to_array<Option>({
    {.name = "output-dir",
     .letter = 'o',
     .value = "DIR",
     .group = kOutput,
     .help = "profile_<UTC end>.col and .html of each session, made if it is not there"},
    {.name = "rotating-output", .group = kOutput, .help = "keep the last session's files only"},
    {.name = "no-flamegraph", .group = kOutput, .help = "no .html, and none in the .col"},
    {.name = "flamegraph", .group = kOutput, .help = "the default"},
    {.name = "continuous",
     .letter = 'c',
     .group = kProcess,
     .help = "sessions without end: always so"},
    {.name = "config",
     .value = "FILE",
     .group = kProcess,
     .help = "lines \"option = value\"; before it /etc/waggle/config.ini, or where that is absent "
             "/etc/gprofiler/config.ini. The environment (WAGGLE_<OPTION>, GPROFILER_<OPTION>) and "
             "the command line have the last word"},
    {.name = "print-config", .group = kProcess, .help = "what holds now, and nothing else"},
    {.name = "pid-file",
     .value = "FILE",
     .group = kProcess,
     .help = "gets our pid; default /run/waggle/agent.pid"},
    {.name = "log-file",
     .value = "FILE",
     .group = kProcess,
     .help = "every message; default /var/log/waggle/waggle.log"},
    {.name = "log-rotate-max-size",
     .value = "BYTES",
     .group = kProcess,
     .help = "of the log file, then another is begun; default 5242880"},
    {.name = "log-rotate-backup-count",
     .value = "N",
     .group = kProcess,
     .help = "log files kept on top of it; default 1"},
    {.name = "heartbeat-file",
     .value = "FILE",
     .group = kProcess,
     .help = "touched at the start of each session"},
    {.name = "controller-pid",
     .value = "PID",
     .group = kProcess,
     .help = "end when this process ends"},
    {.name = "metrics-listen",
     .value = "ADDRESS:PORT",
     .group = kProcess,
     .help = "tell Prometheus at /metrics, and /healthz and /readyz; without an address only this "
             "host; default: nobody"},
    {.name = "lock",
     .value = "NAME",
     .group = kProcess,
     .help = "abstract socket that keeps a second agent from starting; default waggle_lock"},
    {.name = "rootless", .group = kProcess, .help = "run without root"},
    {.name = "disable-pidns-check",
     .group = kProcess,
     .help = "start outside the host's pid namespace too, where only perf can be used"},
    {.name = "dont-disable-core-files",
     .group = kProcess,
     .help = "leave the limit of core files as it is; else it is 0"},
});

constexpr auto kExamples = std::to_array<Example>({
    {"waggle agent -d 60 -f 11 -o /var/lib/waggle/profiles",
     "a profile of the host each minute, for ever"},
    {"waggle agent -o profiles --rotating-output --cgroup system.slice",
     "the last minute of the services"},
});

// record's options of the same meaning, with the letters and defaults of this verb.
std::vector<Option> all_options() {
  constexpr auto kLeftOut = std::to_array<std::string_view>({"output", "format"});
  std::vector<Option> options;
  const auto is_before = [](const Option& option) { return option.group != kOther; };
  for (Option option : recording_options()) {
    if (std::ranges::find(kLeftOut, option.name) != kLeftOut.end()) {
      continue;  // output-dir and flamegraph are in their place
    }
    if (option.name == "mode") {
      option.help =
          "what is counted: cpu, samples of what runs; allocation, the bytes that Java allocates, "
          "and nothing else; with none there is nothing to do; default cpu";
    }
    if (option.name == "frequency") {
      option.letter = 'f';
      option.other_letter = 'F';
      option.help = "samples per second and CPU, 1 to 10,000; default 11";
    }
    if (option.name == "cpu-budget") {
      option.help =
          "of one core, for all that waggle does; above it, files are read later, then sampling "
          "slows down, profilers of runtimes end, and sampling pauses; default 1, 0: no limit";
    }
    if (option.name == "duration") {
      option.help = "of a session; default 60";
    }
    options.push_back(option);
  }
  const auto other = std::ranges::find_if_not(options, is_before);
  options.insert(other, kOwnOptions.begin(), kOwnOptions.end());
  // Options of a group stand together.
  std::ranges::stable_sort(options, {}, [&](const Option& option) {
    return std::ranges::find(options, option.group, &Option::group) - options.begin();
  });
  return options;
}

Result<std::string> read_path(const ParsedArguments& parsed, std::string_view option,
                              std::string otherwise) {
  const std::string* text = parsed.find(option);
  if (text == nullptr) {
    return otherwise;
  }
  if (text->empty() || text->size() >= PATH_MAX) {
    return fail(Errc::malformed, fmt::format("--{}: {} is no file", option, quoted(*text)));
  }
  return *text;
}

Result<> read_files(const ParsedArguments& parsed, AgentOptions& options) {
  options.output_dir = TRY(read_path(parsed, "output-dir", ""));
  options.pid_file = TRY(read_path(parsed, "pid-file", options.pid_file));
  options.is_log_file_given = parsed.has("log-file");
  options.log_file = TRY(read_path(parsed, "log-file", options.log_file));
  options.heartbeat_file = TRY(read_path(parsed, "heartbeat-file", ""));
  if (const std::string* text = parsed.find("log-rotate-max-size")) {
    constexpr int kLeast = 4096;
    options.log_max_bytes =
        static_cast<std::size_t>(TRY(parse_integer("log-rotate-max-size", *text, kLeast, kMaxInt)));
  }
  if (const std::string* text = parsed.find("log-rotate-backup-count")) {
    constexpr int kMost = 1000;
    options.log_old_count =
        static_cast<std::size_t>(TRY(parse_integer("log-rotate-backup-count", *text, 0, kMost)));
  }
  options.is_output_rotating = parsed.has("rotating-output");
  options.has_flame_graph = !parsed.has("no-flamegraph");
  if (parsed.has("flamegraph") && parsed.has("no-flamegraph")) {
    return fail(Errc::malformed, "--flamegraph: cannot go with --no-flamegraph");
  }
  return {};
}

Result<> read_process(const ParsedArguments& parsed, AgentOptions& options) {
  if (const std::string* text = parsed.find("controller-pid")) {
    options.controller_pid = TRY(parse_integer("controller-pid", *text, 1, kMaxInt));
  }
  if (const std::string* text = parsed.find("lock")) {
    if (text->empty() || text->size() > kMaxLockName) {
      return fail(Errc::malformed, fmt::format("--lock: {} is no name of 1 to {} bytes",
                                               quoted(*text), kMaxLockName));
    }
    options.lock_name = *text;
  }
  if (const std::string* text = parsed.find("metrics-listen")) {
    auto address = parse_listen_address(*text);
    if (!address) {
      return fail(Errc::malformed, fmt::format("--metrics-listen: {}", address.error().what));
    }
    options.metrics_address = *std::move(address);
  }
  options.is_rootless = parsed.has("rootless");
  options.checks_pid_namespace = !parsed.has("disable-pidns-check");
  options.disables_core_files = !parsed.has("dont-disable-core-files");
  options.prints_config = parsed.has("print-config");
  return {};
}

Result<AgentOptions> read_options(const ParsedArguments& parsed) {
  AgentOptions options;
  options.recording.frequency_hz = kAgentFrequencyHz;
  options.recording.budget.cpu_percent = 1;
  TRY(read_profiling_mode(parsed, options.recording));
  TRY(read_recording(parsed, options.recording));
  if (const std::string* text = parsed.find("duration")) {
    options.duration_s = TRY(parse_integer("duration", *text, 1, kMaxDurationSeconds));
  }
  TRY(read_files(parsed, options));
  TRY(read_process(parsed, options));
  const bool needs_output = !options.recording.is_dry_run && !options.prints_config;
  if (options.output_dir.empty() && needs_output) {
    return fail(Errc::malformed,
                "Must pass at least one output method (--upload-results / --output-dir)");
  }
  return options;
}

Result<> check_options(const ParsedArguments& parsed) {
  TRY(read_options(parsed));
  return {};
}

}  // namespace

const Syntax& agent_syntax() {
  static const std::vector<Option> options = all_options();
  static const Syntax syntax = {
      .verb = "agent",
      .purpose =
          "Samples without end, in sessions that follow each other without a gap, and writes "
          "a profile of each. SIGHUP reads selection and frequency again, SIGTERM ends it.",
      .takes_command = false,
      .options = options,
      .examples = kExamples,
      .exit_statuses =
          "  0  ended by a signal or with its controller, or another agent runs\n"
          "  1  it could not start, or not go on\n"
          "  2  usage: an option, a value or an argument is wrong\n",
  };
  return syntax;
}

Result<AgentOptions> read_agent_options(const ParsedArguments& parsed) {
  TRY(check_each_value(parsed, check_options));
  return read_options(parsed);
}

}  // namespace waggle
