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
  const std::string words = fmt::format("collapsed,ann,sig,file={},log={}", output, log);
  return options.tells_threads ? words + ",threads" : words;
}

}  // namespace

std::string async_profiler_start(const AsyncProfilerOptions& options, const std::string& output,
                                 const std::string& log) {
  const std::string words = fmt::format(
      "start,event={},{},timeout={},{}", event_name(options.event), interval_words(options),
      options.timeout.count(), output_words(options, output, log));
  return options.more.empty() ? words : words + "," + options.more;
}

std::string async_profiler_stop(const AsyncProfilerOptions& options, const std::string& output,
                                const std::string& log) {
  return "stop," + output_words(options, output, log);
}

std::string async_profiler_drop(const std::string& log) {
  return "stop,log=" + log;
}

std::string async_profiler_metrics(const std::string& output) {
  return "metrics,file=" + output;
}

}  // namespace waggle
