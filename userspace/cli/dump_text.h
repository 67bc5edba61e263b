// SPDX-License-Identifier: Apache-2.0
// What `waggle dump` prints.  Pure.
#pragma once

#include <sys/types.h>

#include <string>

#include "userspace/cli/dump_native.h"
#include "userspace/cli/dump_python.h"
#include "userspace/cli/dump_threads.h"

namespace waggle {

// A block for each thread, the main one first, innermost frames on top:
//   Process 12 (app)
//   Python 3.11.2: /usr/bin/python3.11
//
//   Thread 12 (app): sleeping
//     do_select_[k]
//     select_[pn]
//     app.wait (/srv/app.py:12)_[p]
//     main_[pn]
std::string render_dump(pid_t pid, const DumpedProcess& process, const DumpedNativeStacks& native,
                        const DumpedPythons& python);

}  // namespace waggle
