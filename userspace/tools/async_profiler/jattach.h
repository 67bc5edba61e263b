// SPDX-License-Identifier: Apache-2.0
// One command to a JVM through a jattach of a person's choice, as our child.  Reads as JvmLoad of
// attach.h, which needs no program.  Not for whether the JVM may be asked: jattach sends SIGQUIT
// to anything, so why_not_to_attach() first.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/supervised_tool.h"
#include "userspace/tools/async_profiler/jvm.h"

namespace waggle {

// What jattach has printed when it was asked to load a library: as parse_load_reply().  Its exit
// status alone does not tell: version 2.1 has 0 for a library that a JDK 21 has refused.
Result<int> parse_jattach_output(std::string_view text);

// One thread.  Destruction kills it, and leaves no file.
class JattachLoad {
 public:
  using Clock = std::chrono::steady_clock;

  // `jattach`: its absolute path.  `add_own` is told its pid.  The JVM lives as long.
  static Result<JattachLoad> start(const Jvm& jvm, const std::string& jattach,
                                   const std::string& library, const std::string& options,
                                   Clock::time_point deadline,
                                   const std::function<void(pid_t)>& add_own);

  JattachLoad(const JattachLoad&) = delete;
  JattachLoad& operator=(const JattachLoad&) = delete;
  JattachLoad(JattachLoad&&) = default;
  JattachLoad& operator=(JattachLoad&&) = delete;
  ~JattachLoad();

  // The library's code, once.
  std::optional<Result<int>> poll();
  // Without its answer.  What to tell then.
  std::string give_up();
  // Once it has ended.
  [[nodiscard]] std::chrono::microseconds cpu_time() const { return cpu_time_; }

 private:
  JattachLoad(const Jvm& jvm, SupervisedTool tool, std::unique_ptr<std::string> output,
              Clock::time_point deadline)
      : jvm_(&jvm), output_(std::move(output)), tool_(std::move(tool)), deadline_(deadline) {}
  Result<int> answer(const ToolEnd& end) const;
  void end();
  void remove_trigger() const;

  const Jvm* jvm_;
  std::unique_ptr<std::string> output_;  // the tool's callback has its address; null: moved from
  SupervisedTool tool_;
  Clock::time_point deadline_;
  bool has_ended_ = false;
  std::chrono::microseconds cpu_time_{};
};

}  // namespace waggle
