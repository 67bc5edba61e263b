// SPDX-License-Identifier: Apache-2.0
// Which thread of the kernel a pthread_self() is.  Its C library keeps the number in the memory
// that pthread_self() points to, at a place of its own (glibc: struct pthread.tid), which the
// process itself shows: at one distance from each of its pthread_self()s is the number of another
// of its threads.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "userspace/process/process_memory.h"

namespace waggle {

// `ids`: as Python's thread states have them, some of threads that are gone maybe.  `numbers`: of
// all threads of the process, as it sees them itself (in its innermost pid namespace).
// Ids that are of none of them are left out.
std::map<std::uint64_t, std::uint32_t> find_thread_numbers(const ProcessMemory& memory,
                                                           const std::set<std::uint64_t>& ids,
                                                           const std::set<std::uint32_t>& numbers);

}  // namespace waggle
