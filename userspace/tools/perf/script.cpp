// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/script.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <array>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "userspace/tools/perf/recording.h"

namespace waggle {

namespace {

// Not to be guessed; perf's command line does not tell it.
std::string make_secret() {
  std::array<std::uint64_t, 2> numbers{};
  // So few bytes are never cut short.
  CHECK(::getrandom(numbers.data(), sizeof(numbers), 0) == sizeof(numbers));
  return fmt::format("waggle{:016x}{:016x}", numbers[0], numbers[1]);
}

}  // namespace

std::vector<std::string> perf_script_command(const std::string& perf) {
  return {perf,
          "script",
          "--input=/proc/self/fd/0",  // a file, opened again: its name is gone
          "--fields=pid,tid,time,event,ip,sym,dso",
          "--ns",
          "--no-inline",  // it would start an addr2line for each object
          "--max-stack=1024"};
}

Result<std::unique_ptr<PerfScript>> PerfScript::start(const std::string& perf, const UniqueFd& data,
                                                      PerfScriptParser::OnSample on_sample,
                                                      int nice) {
  std::string event = make_secret();
  PerfDataFacts facts = TRY(prepare_perf_data(data, event));
  std::unique_ptr<PerfScript> script(
      new PerfScript(std::move(facts), PerfScriptParser(std::move(event), std::move(on_sample))));
  ToolOptions options = perf_tool_options();
  options.input_fd = data.get();
  options.nice = nice;
  script->tool_.emplace(TRY(SupervisedTool::start(
      perf_script_command(perf), std::move(options),
      [parser = &script->parser_](std::string_view piece) { parser->feed(piece); })));
  return script;
}

ToolEnd PerfScript::finish() {
  const ToolEnd end = tool_->kill();
  parser_.finish(end.is_ok());
  return end;
}

}  // namespace waggle
