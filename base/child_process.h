// SPDX-License-Identifier: Apache-2.0
// The owner of one child process.  Not for starting one: subprocess.h (a tool whose output we read)
// and held_command.h (a person's command).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// Call before fork: a SIGCHLD that our own parent made us ignore would throw exit statuses away.
void keep_exit_statuses();

// Until it is waited for here, the pid cannot be another process': signals never hit a stranger.
// Destruction sends SIGKILL and waits, so it takes as long as the kernel needs to end the child.
class ChildProcess {
 public:
  enum class Group { own, ours };  // own: it leads its process group, which ends with it

  // `pid`: of a child of this process that nobody else waits for.
  ChildProcess(pid_t pid, Group group);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { let_go(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Readable once it ended; -1 where the kernel has no pidfds (before 5.3) or refuses them.
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }

  // Errc::not_found once it ended.
  Result<> send_signal(int signal);
  // The status of waitpid(2) once it ended.
  std::optional<int> poll_exit();
  // That it and what it waited for used, once it ended.
  [[nodiscard]] std::chrono::microseconds cpu_time() const { return cpu_time_; }
  // Whether it ended within `timeout`; the status is then poll_exit()'s.
  bool wait_for(std::chrono::milliseconds timeout);

  // SIGKILL to it, or to all of its own group, and wait.  Returns the status of waitpid(2).
  int end();
  // From now on destruction leaves it alone: it goes on when we end.
  void leave_running() { is_ended_with_us_ = false; }

 private:
  void let_go();

  pid_t pid_;  // 0: moved from
  Group group_;
  UniqueFd pidfd_;
  bool is_ended_with_us_ = true;
  std::optional<int> status_;
  std::chrono::microseconds cpu_time_{};
};

}  // namespace waggle
