// SPDX-License-Identifier: Apache-2.0
#include "base/held_command.h"

#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/text.h"

namespace waggle {

namespace {

// After fork: only what is safe there.  Signals that our parent made us ignore (nohup) stay so.
[[noreturn]] void run_child(ExecChannel& channel, char* const* words) {
  channel.become_child();
  unblock_signals();
  channel.await_release();
  ::execvp(words[0], words);
  channel.report_and_exit(errno);
}

}  // namespace

Result<HeldCommand> HeldCommand::fork(std::span<const std::string> command) {
  CHECK(!command.empty());
  std::vector<std::string> words(command.begin(), command.end());
  const std::vector<char*> pointers = exec_words(words);
  ExecChannel channel = TRY(ExecChannel::open());
  keep_exit_statuses();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return fail_errno("fork", errno);
  }
  if (pid == 0) {
    run_child(channel, pointers.data());
  }
  channel.become_parent();
  return HeldCommand(printable(words.front()), ChildProcess(pid, ChildProcess::Group::ours),
                     std::move(channel));
}

Result<> HeldCommand::release() {
  if (Result<> released = channel_.release(); !released) {
    return add_context(name_, std::move(released).error());
  }
  TRY(channel_.await_exec(name_));
  process_.leave_running();
  return {};
}

}  // namespace waggle
