// SPDX-License-Identifier: Apache-2.0
// What parent and child tell each other between fork and exec.  All of the child's side is safe
// after fork in a process with threads: no allocation, no locks.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// A socket pair that exec closes in the child: end of file at the parent means "it runs".
class ExecChannel {
 public:
  static Result<ExecChannel> open();

  // Child: lets go of the parent's end.
  void become_child();
  // Child: waits for release(); ends the process if the parent is gone.
  void await_release() const;
  // Child: exec failed.
  [[noreturn]] void report_and_exit(int error_number) const;

  // Parent: lets go of the child's end.
  void become_parent() { child_end_.reset(); }
  // Parent: lets the child go on.  An error when it is gone.
  Result<> release() const;
  // Parent: waits for exec.  The error is exec's, with `noun` in front.
  Result<> await_exec(const std::string& noun) const;

 private:
  ExecChannel(UniqueFd parent_end, UniqueFd child_end)
      : parent_end_(std::move(parent_end)), child_end_(std::move(child_end)) {}

  UniqueFd parent_end_;
  UniqueFd child_end_;
};

// The same file as a descriptor above 2, so that placing stdin, stdout and stderr cannot hit it.
Result<UniqueFd> above_stdio(UniqueFd fd);

// Child: blocks no signal.
void unblock_signals();
// Child: all signals at their defaults, those too that our parent made us ignore.
void reset_signal_handlers();

// Pointers for execve(2), good while `words` is.
std::vector<char*> exec_words(std::vector<std::string>& words);

}  // namespace waggle
