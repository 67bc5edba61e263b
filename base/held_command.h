// SPDX-License-Identifier: Apache-2.0
// A person's command, forked first and run when we are ready, so that nothing of it is missed.
// Not for tools of ours: subprocess.h.
#pragma once

#include <span>
#include <string>

#include "base/child_process.h"
#include "base/exec_channel.h"
#include "base/result.h"

namespace waggle {

// It keeps our stdin, stdout, stderr, environment, directory and process group: Ctrl-C reaches
// both. Destroyed before release(), it never ran; after release(), it goes on without us, as also
// when we are killed.
class HeldCommand {
 public:
  // `command`: looked for in PATH as a shell does.  It is not run yet.
  static Result<HeldCommand> fork(std::span<const std::string> command);
  HeldCommand(HeldCommand&&) = default;
  HeldCommand& operator=(HeldCommand&&) = default;
  HeldCommand(const HeldCommand&) = delete;
  HeldCommand& operator=(const HeldCommand&) = delete;
  ~HeldCommand() = default;

  // Runs it.  The error is exec's and names the command: not found, not executable, ...
  Result<> release();

  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  [[nodiscard]] int pidfd() const { return process_.pidfd(); }
  Result<> send_signal(int signal) { return process_.send_signal(signal); }
  std::optional<int> poll_exit() { return process_.poll_exit(); }
  bool wait_for(std::chrono::milliseconds timeout) { return process_.wait_for(timeout); }

 private:
  HeldCommand(std::string name, ChildProcess process, ExecChannel channel)
      : name_(std::move(name)), process_(std::move(process)), channel_(std::move(channel)) {}

  std::string name_;
  ChildProcess process_;
  ExecChannel channel_;
};

}  // namespace waggle
