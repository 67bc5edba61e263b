// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/script.h"

#include <utility>

#include "userspace/tools/perf/recording.h"

namespace waggle {

std::vector<std::string> perf_script_command(const std::string& perf) {
  return {perf,
          "script",
          "--input=/dev/stdin",  // a file, opened again: its name is gone
          "--fields=pid,tid,time,event,ip,sym,dso",
          "--ns",
          "--no-inline",  // it would start an addr2line for each object
          "--max-stack=1024",
          "--show-lost-events"};
}

Result<std::unique_ptr<PerfScript>> PerfScript::start(const std::string& perf, const UniqueFd& data,
                                                      PerfScriptParser::OnSample on_sample,
                                                      int nice) {
  std::unique_ptr<PerfScript> script(new PerfScript(std::move(on_sample)));
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
