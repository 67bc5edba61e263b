// SPDX-License-Identifier: Apache-2.0
// What the kernel's log says of processes that came to a bad end, from now on.  Not for how a
// process really ended: process_exit.h.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

struct KernelDeath {
  enum class Cause { out_of_memory, signal };
  Cause cause;
  pid_t pid;  // of a signal: the thread's
};

// Of one message, without its prefix.
std::optional<KernelDeath> parse_kernel_death(std::string_view text);
// Whether the number stands in it as a word of its own.
bool mentions_pid(std::string_view text, pid_t pid);

// One thread.
class KernelLog {
 public:
  // Errc::permission and others: it cannot be read here.
  static Result<KernelLog> open();
  // Each message since the last call, a thousand at most.
  void take(const std::function<void(std::string_view text)>& on_message);

 private:
  explicit KernelLog(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace waggle
