// SPDX-License-Identifier: Apache-2.0
// The system's stacks of a JVM with the frames of Java that async-profiler saw: native frames of
// the thread's start, Java, the native functions that it called, the kernel.  Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "userspace/profile/profile.h"

namespace waggle {

// Of one process, in two profiles.
struct JavaMatchInput {
  const Profile& system;
  const std::vector<const Profile::Counts::value_type*>& samples;  // in `system`
  const Profile& java;                                             // not empty
  std::string_view comm;
  std::string_view container;                    // of stacks that are async-profiler's alone
  const Profile::ApplicationEntry& application;  // likewise
};

// Adds as many samples to `to` as `samples` hold:
//
// - a stack without generated code, whose root is known, is as it was;
// - where there is generated code, frames of Java stand in its place, of stacks that had called the
//   same functions, of the same thread where threads are told, shared out by largest remainder;
// - what is left, for its native functions are in no stack of async-profiler's or its walk ended
//   too soon, becomes stacks of async-profiler's as they are, of the kinds that are too few yet.
void match_java(const JavaMatchInput& input, Profile& to);

}  // namespace waggle
