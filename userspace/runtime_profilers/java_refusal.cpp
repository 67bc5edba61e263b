// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/java_refusal.h"

#include <fmt/core.h>

#include <filesystem>
#include <system_error>

#include "userspace/tools/async_profiler/java_version.h"
#include "userspace/tools/async_profiler/library.h"
#include "userspace/tools/placement.h"

namespace waggle {

namespace {

bool is_called_java(const Jvm& jvm) {
  std::error_code none;
  const auto program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", jvm.pid), none);
  return program.filename() == "java" || program.filename() == "java (deleted)";
}

bool is_supported(const Jvm& jvm, JavaVersionCheck check) {
  constexpr int kFirst = 7;
  if (check == JavaVersionCheck::none) {
    return true;
  }
  const auto version = read_java_version(jvm);
  return check == JavaVersionCheck::tried
             ? version && is_tried_java(*version) && is_called_java(jvm)
             : !version || version->numbers.front() >= kFirst;
}

}  // namespace

std::optional<std::string> why_not_to_profile(const Jvm& jvm, JavaVersionCheck check,
                                              const SharedLibrary& async_profiler) {
  if (const auto refusal = why_not_to_attach(jvm)) {
    return refusal->reason;
  }
  if (!is_supported(jvm, check)) {
    return "profiling this JVM is not supported";
  }
  if (!jvm.profiler.empty() && !is_placed_by_us(jvm.profiler, kAsyncProfilerLibrary)) {
    return "async-profiler is already loaded";  // somebody else's, who may be using it
  }
  return why_not_to_load(async_profiler.needed, jvm.is_musl);
}

}  // namespace waggle
