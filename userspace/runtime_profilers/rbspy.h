// SPDX-License-Identifier: Apache-2.0
// rbspy, for processes with a Ruby.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/profile/profile.h"
#include "userspace/runtime_profilers/process_tool.h"
#include "userspace/runtimes/runtime_files.h"
#include "userspace/tools/rbspy/command.h"

namespace waggle {

class Rbspy final : public ProcessTool {
 public:
  explicit Rbspy(int frequency_hz) : frequency_hz_(frequency_hz) {}

  [[nodiscard]] std::string_view name() const override { return "rbspy"; }
  [[nodiscard]] std::string_view gives() const override { return "the methods of Ruby"; }
  [[nodiscard]] int rate_hz() const override { return rbspy_rate(frequency_hz_); }
  [[nodiscard]] int asked_hz() const override { return frequency_hz_; }
  [[nodiscard]] bool has_runtime(pid_t pid) override { return files_.has(pid, Runtime::ruby); }
  ToolCall call(const std::string& program, pid_t target, const std::string& directory) override;
  Result<std::uint64_t> read_stacks(UniqueFd file, pid_t target, Profile& stacks) override;
  [[nodiscard]] MissingStacks when_ended() const override {
    return {.frame = "[Profiling info: process exited during profiling]"};
  }
  [[nodiscard]] MissingStacks when_empty() const override {
    return {.frame = "[Profiling info: no samples collected, process too short-lived]"};
  }

 private:
  int frequency_hz_;
  RuntimeFiles files_;
};

}  // namespace waggle
