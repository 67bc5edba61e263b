// SPDX-License-Identifier: Apache-2.0
// When no JVM is touched any more: --java-safemode's rules over what befalls processes.  Not for
// what the rules are called: tools/async_profiler/safemode.h.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "userspace/process/kernel_log.h"
#include "userspace/runtime_profilers/notes.h"
#include "userspace/tools/async_profiler/safemode.h"

namespace waggle {

// One thread.
class JavaSafety {
 public:
  explicit JavaSafety(const JavaSafemode& safemode) : safemode_(safemode) {}

  void add_profiled(pid_t pid) { profiled_.insert(pid); }
  // Why no JVM is touched any more; "": they are.  The first cause stays.
  [[nodiscard]] const std::string& cause() const { return cause_; }

  // Each tells the notes, and whether it is the first cause.
  bool judge_crash(const std::string& told, RuntimeNotes& notes);
  bool judge_exit(int wait_status, std::string_view who, RuntimeNotes& notes);
  // What the kernel's log says from the first call on.
  bool hear_kernel(RuntimeNotes& notes);

 private:
  bool stop(std::string_view cause, const std::string& told, RuntimeNotes& notes);
  void open_log(RuntimeNotes& notes);
  bool judge_message(std::string_view text, RuntimeNotes& notes);

  JavaSafemode safemode_;
  std::set<pid_t> profiled_;
  std::string cause_;
  std::optional<KernelLog> kernel_log_;
  bool has_tried_log_ = false;
};

}  // namespace waggle
