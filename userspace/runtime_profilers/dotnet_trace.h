// SPDX-License-Identifier: Apache-2.0
// dotnet-trace, for processes with a .NET.
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

namespace waggle {

class DotnetTrace final : public ProcessTool {
 public:
  explicit DotnetTrace(int frequency_hz) : frequency_hz_(frequency_hz) {}

  [[nodiscard]] std::string_view name() const override { return "dotnet-trace"; }
  [[nodiscard]] std::string_view gives() const override { return "the methods of .NET"; }
  [[nodiscard]] int rate_hz() const override { return frequency_hz_; }
  [[nodiscard]] int asked_hz() const override { return frequency_hz_; }
  [[nodiscard]] bool has_runtime(pid_t pid) override { return files_.has(pid, Runtime::dotnet); }
  ToolCall call(const std::string& program, pid_t target, const std::string& directory) override;
  Result<std::uint64_t> read_stacks(UniqueFd file, pid_t target, Profile& stacks) override;

 private:
  int frequency_hz_;
  RuntimeFiles files_;
};

}  // namespace waggle
