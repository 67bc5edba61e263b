// SPDX-License-Identifier: Apache-2.0
// `perf script` over one segment of data, as a supervised child whose text is parsed as it comes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/supervised_tool.h"
#include "base/unique_fd.h"
#include "userspace/tools/perf/data_file.h"
#include "userspace/tools/perf/script_parser.h"

namespace waggle {

std::vector<std::string> perf_script_command(const std::string& perf);

// One thread, the one that started it.  Destruction kills perf.
class PerfScript {
 public:
  // Reads `data` to its end, and changes it: prepare_perf_data().  nice: ToolOptions'.
  static Result<std::unique_ptr<PerfScript>> start(const std::string& perf, const UniqueFd& data,
                                                   PerfScriptParser::OnSample on_sample,
                                                   int nice = 0);

  // When an fd is readable; it is -1 once its output has ended.
  void read() { tool_->read(); }
  [[nodiscard]] int output_fd() const { return tool_->output_fd(); }
  [[nodiscard]] int errors_fd() const { return tool_->errors_fd(); }
  [[nodiscard]] pid_t pid() const { return tool_->pid(); }

  // Whether it ended by then; what it printed has been taken.
  bool wait_until(std::chrono::steady_clock::time_point deadline) {
    return tool_->wait_until(deadline);
  }
  [[nodiscard]] bool has_ended() { return tool_->poll_end().has_value(); }
  // Kills it unless it has ended; the last sample is then taken or dropped.  Once.
  ToolEnd finish();

  [[nodiscard]] const PerfDataFacts& facts() const { return facts_; }
  [[nodiscard]] const PerfScriptParser::Counters& counters() const { return parser_.counters(); }
  [[nodiscard]] const std::string& last_words() const { return tool_->last_words(); }

 private:
  PerfScript(PerfDataFacts facts, PerfScriptParser parser)
      : facts_(std::move(facts)), parser_(std::move(parser)) {}

  PerfDataFacts facts_;
  PerfScriptParser parser_;
  std::optional<SupervisedTool> tool_;  // set by start(); feeds the parser
};

}  // namespace waggle
