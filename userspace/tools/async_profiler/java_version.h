// SPDX-License-Identifier: Apache-2.0
// Which Java a JVM is, and whether async-profiler is known to do no harm there.  Pure but for
// reading the version.
#pragma once

#include <compare>
#include <optional>
#include <string_view>
#include <vector>

#include "userspace/tools/async_profiler/jvm.h"

namespace waggle {

struct JavaVersion {
  std::vector<int> numbers;  // 17.0.15: {17, 0, 15}; 1.8.0_392: {8, 392}; no zeros at the end
  int build = 0;             // 0: not told

  auto operator<=>(const JavaVersion&) const = default;
};

// "17.0.15+6-Debian", "1.8.0_392-b08".
std::optional<JavaVersion> parse_java_version(std::string_view text);
// The text of a JDK's file `release`.
std::optional<JavaVersion> parse_java_release(std::string_view text);

// By the file `release` of the JDK that libjvm.so is of, in the JVM's root; nothing is run.
std::optional<JavaVersion> read_java_version(const Jvm& jvm);

// gProfiler's table of versions that async-profiler was tried on: of each major version the least.
bool is_tried_java(const JavaVersion& version);

}  // namespace waggle
