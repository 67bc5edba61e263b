// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/command.h"

#include <fmt/core.h>

#include <string_view>

namespace waggle {

namespace {

std::string_view event_name(JavaEvent event) {
  switch (event) {
    case JavaEvent::cpu:
      break;
    case JavaEvent::itimer:
      return "itimer";
    case JavaEvent::wall:
      return "wall";
    case JavaEvent::alloc:
      return "alloc";
  }
  return "cpu";
}

std::string interval_words(const AsyncProfilerOptions& options) {
  if (options.event == JavaEvent::alloc) {
    return fmt::format("alloc={}", options.alloc_bytes);
  }
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  return fmt::format("interval={}", kSecondNs / options.frequency_hz);
}

// How stacks are written: said at the start too, for a JVM that ends meanwhile writes them.
std::string output_words(const AsyncProfilerOptions& options, const std::string& output,
                         const std::string& log) {
  std::string words = fmt::format("collapsed,ann,sig,file={},log={}", output, log);
  words += options.tells_threads ? ",threads" : "";
  words += options.has_method_modifiers ? ",includemm" : "";
  words += options.has_line_numbers ? ",includeln" : "";
  words += options.tells_libraries ? ",lib" : "";
  return words;
}

}  // namespace

std::string async_profiler_start(const AsyncProfilerOptions& options, const std::string& output,
                                 const std::string& log) {
  std::string words = fmt::format("start,event={},{},timeout={},{}", event_name(options.event),
                                  interval_words(options), options.timeout.count(),
                                  output_words(options, output, log));
  if (!options.features.empty()) {
    words += ",features=" + options.features;
  }
  if (options.safemode != 0) {
    words += fmt::format(",safemode={}", options.safemode);
  }
  return options.more.empty() ? words : words + "," + options.more;
}

std::string async_profiler_stop(const AsyncProfilerOptions& options, const std::string& output,
                                const std::string& log) {
  const std::string words = "stop," + output_words(options, output, log);
  return options.name_age == 0 ? words : words + fmt::format(",mcache={}", options.name_age);
}

std::string async_profiler_drop(const std::string& log) {
  return "stop,log=" + log;
}

std::string async_profiler_metrics(const std::string& output) {
  return "metrics,file=" + output;
}

}  // namespace waggle
