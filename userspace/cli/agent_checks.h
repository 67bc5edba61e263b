// SPDX-License-Identifier: Apache-2.0
// What must hold before an agent starts, with gProfiler's words.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// Errc::permission: root, or its lack, is not what --rootless says.
Result<> check_user(bool is_rootless);

// Errc::unsupported: pids here are not the host's.
Result<> check_pid_namespace();

// Keeps a second agent of the host away while it lives: an abstract socket in the host's network
// namespace, or in ours where that cannot be entered.
class AgentLock {
 public:
  // Errc::exhausted: another process has it.
  static Result<AgentLock> take(const std::string& name);

 private:
  explicit AgentLock(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

}  // namespace waggle
