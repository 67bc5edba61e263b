// SPDX-License-Identifier: Apache-2.0
// Which JVMs async-profiler is not put into, and why.  Not for what befalls others meanwhile:
// java_safety.h.
#pragma once

#include <optional>
#include <string>

#include "userspace/process/shared_library.h"
#include "userspace/tools/async_profiler/jvm.h"

namespace waggle {

enum class JavaVersionCheck {
  none,
  known,  // versions that are known not to work are left out
  tried,  // those that were not tried too, and programs of another name than java
};

// In few words, or nothing: it is put there.
std::optional<std::string> why_not_to_profile(const Jvm& jvm, JavaVersionCheck check,
                                              const SharedLibrary& async_profiler);

}  // namespace waggle
