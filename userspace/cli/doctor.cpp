// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/doctor.h"

#include <fmt/core.h>

#include <array>
#include <cstdio>
#include <iterator>
#include <vector>

#include "userspace/attach/features.h"
#include "userspace/cli/check_report.h"
#include "userspace/cli/engine_choice.h"
#include "userspace/cli/exit_status.h"
#include "userspace/cli/host_checks.h"
#include "userspace/cli/trial_recording.h"
#include "userspace/cli/verbs.h"
#include "userspace/cli/version.h"
#include "userspace/tools/external_tools.h"

namespace waggle {

namespace {

constexpr std::string_view kPath = "-path";  // ends options that say where a tool is

// And record's: what a recording with them would meet.
std::vector<Option> all_options() {
  std::vector<Option> options{
      {.name = "json", .group = "Output", .help = "one JSON object instead of lines"}};
  for (const Option& option : recording_options()) {
    if (option.name == "btf" || option.name.ends_with(kPath)) {
      options.push_back(option);
    }
  }
  return options;
}

ToolPaths tool_paths(const ParsedArguments& parsed) {
  ToolPaths paths;
  for (const ExternalTool& tool : external_tools()) {
    if (const std::string* path = parsed.find(fmt::format("{}{}", tool.name, kPath))) {
      paths.emplace(tool.name, *path);
    }
  }
  return paths;
}

constexpr auto kExamples = std::to_array<Example>({
    {"waggle doctor", "one line per item: ok, limited or missing, and the remedy"},
    {"waggle doctor --json", "the same for a program to read"},
});

std::vector<CheckItem> run_checks(const std::string& btf_path, const ToolPaths& tools) {
  std::vector<CheckItem> items = check_kernel(btf_path);
  const auto append = [&](std::vector<CheckItem> more) {
    std::ranges::move(more, std::back_inserter(items));
  };
  append(check_privileges());
  append(check_limits());
  const Result<EngineChoice> choice = choose_engine(Engine::automatic, ask_host(btf_path));
  const auto given = tools.find("perf");
  const Result<std::string> perf = locate_tool("perf", given == tools.end() ? "" : given->second);
  items.push_back(judge_engine(choice, perf));
  const bool is_fallback = choice && choice->is_fallback && perf;
  items.push_back(check_trial(
      [&] { return is_fallback ? run_fallback_trial(*perf) : run_trial_recording(btf_path); }));
  append(check_tools(tools));
  items.push_back(check_container_names());
  return items;
}

}  // namespace

const Syntax& doctor_syntax() {
  static const std::vector<Option> options = all_options();
  static const Syntax syntax = {
      .verb = "doctor",
      .purpose =
          "Tells what works on this host, what does not, what is lost by it and what to do. "
          "Makes a recording of half a second to be sure.",
      .options = options,
      .examples = kExamples,
      .exit_statuses =
          "  0  waggle record can run\n"
          "  1  the result cannot be written\n"
          "  2  usage: an option or an argument is wrong\n"
          "  3  waggle record cannot run; what is missing is in the list\n",
  };
  return syntax;
}

int doctor_main(std::span<const std::string> arguments) {
  const Result<ParsedArguments> parsed = parse_arguments(doctor_syntax(), arguments);
  if (!parsed) {
    return report_usage_error("doctor", parsed.error());
  }
  const std::string* btf = parsed->find("btf");
  if (const Result<> types = btf != nullptr ? check_kernel_btf_file(*btf) : Result<>(); !types) {
    return report_usage_error("doctor", {Errc::malformed, "--btf: " + types.error().what});
  }
  const std::vector<CheckItem> items =
      run_checks(btf != nullptr ? *btf : std::string(), tool_paths(*parsed));
  const CheckReport report = {
      .version = std::string(program_version()), .kernel = kernel_release(), .items = items};
  const std::string text = parsed->has("json") ? render_checks_json(report) : render_checks(report);
  if (std::fputs(text.c_str(), stdout) == EOF || std::fflush(stdout) != 0) {
    fmt::print(stderr, "waggle doctor: stdout cannot be written\n");
    return kExitFailure;
  }
  return report.can_record() ? kExitOk : kExitPrivilege;
}

}  // namespace waggle
