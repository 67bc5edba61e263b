// SPDX-License-Identifier: Apache-2.0
// For `waggle dump`: the native stacks of the threads that wait in the kernel.
#pragma once

#include <sys/types.h>

#include <map>
#include <vector>

#include "base/result.h"
#include "userspace/cli/dump_python.h"
#include "userspace/cli/dump_stack.h"
#include "userspace/cli/dump_threads.h"

namespace waggle {

// By tid; of threads that run there is none.
using DumpedNativeStacks = std::map<pid_t, DumpedNativeStack>;

// `pythons` tell which native frames run Python.
Result<DumpedNativeStacks> read_native_stacks(pid_t pid, const std::vector<DumpedThread>& threads,
                                              const std::vector<DumpedPython>& pythons);

}  // namespace waggle
