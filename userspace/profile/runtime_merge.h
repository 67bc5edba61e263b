// SPDX-License-Identifier: Apache-2.0
// Stacks that a runtime's own profiler took of one process, put into the place of those that the
// system's profiler took of it.  Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "userspace/process/process.h"
#include "userspace/profile/profile.h"

namespace waggle {

// What became of one process.
struct RuntimeStacks {
  std::uint32_t process = 0;    // Profile::Stack::process of the system's stacks
  std::string comm;             // and their exec name: those of another program stay as they are
  Profile stacks;               // frames count, container and comm do not
  std::string error;            // "[Profiling error: ...]" where there are no stacks; "": none
  bool is_java_on_cpu = false;  // of async-profiler, and of what runs: java_match.h
  // What no stack of the system's tells of.
  std::string container = {};
  ApplicationRef application = {};
  int frequency_hz = 0;         // counts / it = seconds; 0: they are no times
  bool counts_waiting = false;  // threads that wait are counted too
};

struct MergedProfile {
  Profile profile;          // no process is told apart
  std::uint64_t added = 0;  // stacks that no sample stands for
  int frequency_hz = 0;     // of concatenated ones: counts / it = seconds; 0: they are no times
};

// The runtime's counts are times of the clock, the system's are samples: the runtime's stacks are
// scaled to the number of the system's of that process, by largest remainder, so that the total
// stays what the system counted; stacks of Java stand between the system's frames where these tell
// of generated code.  Those that come to nothing are left out, all of them where the system saw no
// sample.  Where waiting counts too they stay as they are, unless that would be fewer than the
// system's: what goes beyond is added.  Without stacks the system's stay: an error stands in front
// of their frames then, or alone with a count of 1 where the system has none.
MergedProfile merge_runtime_stacks(const Profile& system, std::span<const RuntimeStacks> runtimes);

// Without a system's profiler: all of them, counts by each one's own clock.  Where these differ,
// counts of the slower are scaled up to the fastest.
MergedProfile concatenate_runtime_stacks(std::span<const RuntimeStacks> runtimes);

}  // namespace waggle
