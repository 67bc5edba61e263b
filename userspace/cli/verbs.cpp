// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/verbs.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "userspace/cli/agent.h"
#include "userspace/cli/agent_options.h"
#include "userspace/cli/doctor.h"
#include "userspace/cli/dump.h"
#include "userspace/cli/exit_status.h"
#include "userspace/cli/gprofiler_names.h"
#include "userspace/cli/help.h"
#include "userspace/cli/option_values.h"
#include "userspace/cli/options.h"
#include "userspace/cli/record_main.h"
#include "userspace/cli/record_options.h"
#include "userspace/cli/top.h"
#include "userspace/cli/top_options.h"
#include "userspace/cli/version.h"

namespace waggle {

namespace {

struct Verb {
  std::string_view name;
  std::string_view does;
  const Syntax& (*syntax)();
  int (*run)(std::span<const std::string> arguments);  // without the verb
};

constexpr auto kVerbs = std::to_array<Verb>({
    {"record", "one recording of the host, of processes or of a command", record_syntax,
     record_main},
    {"agent", "a profile of each minute without end, with gProfiler's options", agent_syntax,
     agent_main},
    {"top", "who uses the CPUs now, each second anew", top_syntax, top_main},
    {"dump", "the stacks of all threads of a process now, Python included", dump_syntax, dump_main},
    {"doctor", "what works on this host, what does not, and the remedy", doctor_syntax,
     doctor_main},
});

std::string program_help() {
  std::string text =
      "Usage: waggle VERB [OPTION...]\n"
      "       waggle --help | --version [--verbose]\n\n"
      "Samples stacks of the whole host in the kernel, or with perf without BTF.\n\n"
      "Verbs:\n";
  for (const Verb& verb : kVerbs) {
    text += fmt::format("  {:<12}{}\n", verb.name, verb.does);
  }
  text += "\n'waggle VERB --help' tells more.\n";
  return text;
}

int report(std::string_view line) {
  fmt::print(stderr, "waggle: {}\n", line);
  return kExitUsage;
}

int report_verb(std::string_view word) {
  if (is_gprofiler_verb(word)) {
    return report(fmt::format("the verb {} is not built yet (see 'waggle --help')", quoted(word)));
  }
  return report(fmt::format("unknown verb {} (see 'waggle --help')", quoted(word)));
}

int run_verb(const Verb& verb, std::span<const std::string> arguments) {
  if (asks_for("--help", arguments) || asks_for("-h", arguments)) {
    fmt::print("{}", help_text(verb.syntax()));
    return kExitOk;
  }
  if (asks_for("--version", arguments)) {
    fmt::print("{}", version_text(false));
    return kExitOk;
  }
  return verb.run(arguments);
}

const Verb& verb_of(std::string_view name) {
  return *std::ranges::find(kVerbs, name, &Verb::name);
}

}  // namespace

int run_program(std::string_view program, std::span<const std::string> arguments) {
  if (program.substr(program.rfind('/') + 1) == "gprofiler") {
    return run_verb(verb_of("agent"), arguments);
  }
  if (arguments.empty()) {
    fmt::print(stderr, "{}", program_help());
    return kExitUsage;
  }
  const std::string& first = arguments.front();
  const auto rest = arguments.subspan(1);
  if (first == "--help" || first == "-h") {
    fmt::print("{}", program_help());
    return kExitOk;
  }
  if (first == "--version") {
    fmt::print("{}", version_text(asks_for("--verbose", rest) || asks_for("-v", rest)));
    return kExitOk;
  }
  if (first.starts_with('-')) {
    return run_verb(verb_of("agent"), arguments);  // gProfiler's command line names no verb
  }
  const auto verb = std::ranges::find(kVerbs, first, &Verb::name);
  return verb == kVerbs.end() ? report_verb(first) : run_verb(*verb, rest);
}

int report_usage_error(std::string_view verb, const Error& error) {
  fmt::print(stderr, "waggle {}: {}\n", verb, error.what);
  return kExitUsage;
}

}  // namespace waggle
