// SPDX-License-Identifier: Apache-2.0
// What a frame of async-profiler's "collapsed" with "lib" is called in a profile.  Pure.
#pragma once

#include <string>
#include <string_view>

namespace waggle {

// "libjvm.so`JVM_Sleep" -> "JVM_Sleep (libjvm.so)"; frames of Java and of the kernel have no file.
std::string text_with_library(std::string_view frame);

}  // namespace waggle
