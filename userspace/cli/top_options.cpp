// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/top_options.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <vector>

#include "userspace/cli/option_values.h"

namespace waggle {

namespace {

constexpr int kMaxDelaySeconds = 60;
constexpr int kMaxRows = 10'000;
constexpr auto kBy = std::to_array<std::string_view>({"functions", "processes", "containers"});
constexpr auto kOrders = std::to_array<std::string_view>({"self", "total"});

constexpr std::string_view kShown = "What is shown";
constexpr std::string_view kOther = "Other";

constexpr auto kOwnOptions = std::to_array<Option>({
    {.name = "by",
     .value = "WHAT",
     .group = kShown,
     .help = "functions, processes or containers; default functions"},
    {.name = "sort",
     .value = "ORDER",
     .group = kShown,
     .help = "functions by their self time, or by total: with what they call; default self"},
    {.name = "filter",
     .value = "TEXT",
     .group = kShown,
     .help = "only names that hold it, in upper or lower case"},
    {.name = "delay",
     .value = "SECONDS",
     .group = kShown,
     .help = "between two looks, 1 to 60; each is of the last five; default 1"},
    {.name = "duration",
     .letter = 'd',
     .value = "SECONDS",
     .group = kShown,
     .help = "how long; default: until q or Ctrl-C"},
    {.name = "plain",
     .group = kShown,
     .help = "lines in place of a screen: always so where stdout is no terminal"},
    {.name = "rows",
     .letter = 'n',
     .value = "N",
     .group = kShown,
     .help = "of each look in plain lines; default 20"},
});

constexpr auto kExamples = std::to_array<Example>({
    {"waggle top", "the functions of the host that use the most CPU now"},
    {"waggle top --by containers", "who uses it"},
    {"waggle top -p 1234 --sort total", "what one process spends its time in"},
    {"waggle top -d 5 --delay 5 -n 10 | cat", "one look as text"},
});

// record's options of the same meaning.
std::vector<Option> all_options() {
  constexpr auto kShared = std::to_array<std::string_view>({
      "pids",         "children",         "cgroup",           "cgroup-exclude",
      "container",    "container-socket", "cri-socket",       "disable-container-names",
      "comm",         "perf-use-cgroups", "perf-max-cgroups", "perf-max-docker-containers",
      "dry-run",      "frequency",        "ring-size",        "btf",
      "unwind-cache", "no-python",        "python-lines",     "no-python-versions",
      "quiet",        "verbose",
  });
  std::vector<Option> options;
  for (const Option& option : recording_options()) {
    if (std::ranges::find(kShared, option.name) != kShared.end()) {
      options.push_back(option);
    }
  }
  const auto other = std::ranges::find(options, kOther, &Option::group);
  options.insert(other, kOwnOptions.begin(), kOwnOptions.end());
  return options;
}

Result<> read_view(const ParsedArguments& parsed, LiveView& view) {
  if (const std::string* text = parsed.find("by")) {
    view.by = static_cast<LiveBy>(TRY(parse_choice("by", *text, kBy)));
  }
  if (const std::string* text = parsed.find("sort")) {
    view.order = static_cast<LiveOrder>(TRY(parse_choice("sort", *text, kOrders)));
  }
  if (const std::string* text = parsed.find("filter")) {
    view.filter = *text;
  }
  return {};
}

Result<TopOptions> read_options(const ParsedArguments& parsed) {
  TopOptions options;
  TRY(read_recording(parsed, options.recording));
  options.recording.engine = Engine::ebpf;  // the other has its names when it ends
  TRY(read_view(parsed, options.view));
  if (const std::string* text = parsed.find("delay")) {
    options.delay_s = TRY(parse_integer("delay", *text, 1, kMaxDelaySeconds));
  }
  if (const std::string* text = parsed.find("duration")) {
    options.duration_s = TRY(parse_integer("duration", *text, 1, std::numeric_limits<int>::max()));
  }
  if (const std::string* text = parsed.find("rows")) {
    options.rows = static_cast<std::size_t>(TRY(parse_integer("rows", *text, 1, kMaxRows)));
  }
  options.is_plain = parsed.has("plain");
  return options;
}

Result<> check_options(const ParsedArguments& parsed) {
  TRY(read_options(parsed));
  return {};
}

}  // namespace

const Syntax& top_syntax() {
  static const std::vector<Option> options = all_options();
  static const Syntax syntax = {
      .verb = "top",
      .purpose =
          "Shows who uses the CPUs now: functions, processes or containers, each second anew. "
          "Nothing is written. Needs BTF, and root or CAP_BPF and CAP_PERFMON.",
      .takes_command = false,
      .options = options,
      .examples = kExamples,
      .exit_statuses =
          "  0  ended by q, Ctrl-C, SIGTERM or --duration\n"
          "  1  failure: a target that cannot be had, or the output is gone\n"
          "  2  usage: an option, a value or an argument is wrong\n"
          "  3  a privilege or a kernel feature is missing; the message names it\n",
  };
  return syntax;
}

Result<TopOptions> read_top_options(const ParsedArguments& parsed) {
  TRY(check_each_value(parsed, check_options));
  return read_options(parsed);
}

}  // namespace waggle
