// SPDX-License-Identifier: Apache-2.0
// What async-profiler must know of a Java virtual machine before anything is asked of it.  Not for
// talking to it: attach.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/tools/target_process.h"

namespace waggle {

struct Jvm : TargetProcess {
  std::string library;  // path of its libjvm.so, as it sees it
  bool is_openj9 = false;
  bool is_musl = false;  // its C library
  std::string profiler;  // path of the async-profiler that it has loaded, as it sees it; "": none
  std::uint64_t profiler_start = 0, profiler_end = 0;  // and where
};

constexpr std::string_view kAsyncProfilerLibrary = "libasyncProfiler.so";

// Nothing: no libjvm.so is mapped, also none that is deleted by now.  An error: the process is gone
// or cannot be looked at.
Result<std::optional<Jvm>> find_jvm(pid_t pid);

struct AttachRefusal {
  std::string reason;  // in few words
  bool may_pass;       // it has perhaps just begun
};

// Why it must not be asked: it would not answer, or SIGQUIT would end it.
std::optional<AttachRefusal> why_not_to_attach(const Jvm& jvm);

}  // namespace waggle
