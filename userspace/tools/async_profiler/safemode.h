// SPDX-License-Identifier: Apache-2.0
// When no JVM is touched any more, or some are not at all: gProfiler's --java-safemode.
#pragma once

#include <array>
#include <string_view>

namespace waggle {

struct JavaSafemode {
  // Of a JVM that was profiled:
  bool profiled_oom = true;       // the kernel killed it for want of memory
  bool profiled_signaled = true;  // it was ended by SIGABRT, SIGKILL or SIGSEGV
  bool hserr = true;              // it left a report of its crash
  // Of any process, as the kernel's log has it:
  bool general_oom = false;
  bool general_signaled = false;
  bool pid_in_kernel_messages = false;  // whatever the log says of a JVM that was profiled
  // Which are not touched:
  bool extended_version_checks = false;  // all but those of is_tried_java(), called java
  bool ap_loaded_check =
      false;  // with an async-profiler of others; these never are, with or without
};

// As gProfiler calls them, in its order.
struct SafemodeName {
  std::string_view name;
  bool JavaSafemode::* flag;
};
constexpr auto kSafemodeNames = std::to_array<SafemodeName>({
    {"profiled-oom", &JavaSafemode::profiled_oom},
    {"profiled-signaled", &JavaSafemode::profiled_signaled},
    {"hserr", &JavaSafemode::hserr},
    {"general-oom", &JavaSafemode::general_oom},
    {"general-signaled", &JavaSafemode::general_signaled},
    {"pid-in-kernel-messages", &JavaSafemode::pid_in_kernel_messages},
    {"java-extended-version-checks", &JavaSafemode::extended_version_checks},
    {"ap-loaded-check", &JavaSafemode::ap_loaded_check},
});

}  // namespace waggle
