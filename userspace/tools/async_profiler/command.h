// SPDX-License-Identifier: Apache-2.0
// The words that async-profiler's agent is told.  Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace waggle {

enum class JavaEvent {
  cpu,     // the kernel's perf events; async-profiler's own timers where there are none
  itimer,  // one timer for the process
  wall,    // every thread, running or not
  alloc,   // bytes that are allocated, the class in the place of the innermost frame
};

struct AsyncProfilerOptions {
  JavaEvent event = JavaEvent::cpu;
  bool may_use_timer = false;  // instead of cpu, where the JVM has no perf events
  int frequency_hz = 99;       // but of alloc
  std::int64_t alloc_bytes = std::int64_t{2} << 20;  // of alloc: one sample for so many, on average
  bool tells_threads = false;
  bool reports_memory = true;         // that it takes itself
  std::string features = {};          // "vtable+comptask"; "": none
  int name_age = 0;                   // recordings in which a method's name is remembered
  int safemode = 0;                   // bits, of versions before 4.4
  bool has_method_modifiers = false;  // of gProfiler's builds
  bool has_line_numbers = false;      // likewise
  bool tells_libraries = false;       // of native functions
  std::string more = {};              // of a person, as async-profiler takes them
  // Then it stops by itself, should we be gone.
  std::chrono::seconds timeout{60};
};

// Paths are the JVM's; they hold no comma.
std::string async_profiler_start(const AsyncProfilerOptions& options, const std::string& output,
                                 const std::string& log);
std::string async_profiler_stop(const AsyncProfilerOptions& options, const std::string& output,
                                const std::string& log);
// Without what it has seen: of a profiler that somebody else has left running.
std::string async_profiler_drop(const std::string& log);
std::string async_profiler_metrics(const std::string& output);

}  // namespace waggle
