// SPDX-License-Identifier: Apache-2.0
// How a process that is nobody's child of ours has ended.
#pragma once

#include <sys/types.h>

#include <optional>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// One thread.  Held while the process lives.
class ProcessExit {
 public:
  // Before 5.3 there are no pidfds.
  static Result<ProcessExit> watch(pid_t pid);

  // As waitpid(2) has it; nothing while it runs, and where the kernel does not tell: before 6.15
  // once its parent has waited for it.
  [[nodiscard]] std::optional<int> find_status() const;

 private:
  ProcessExit(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

  pid_t pid_;
  UniqueFd pidfd_;
};

}  // namespace waggle
