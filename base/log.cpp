// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>

#include "base/text.h"

namespace waggle {

namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      break;
  }
  return spdlog::level::err;
}

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("waggle", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_pattern("waggle: %l: %v");
    return made;
  }();
  return instance;
}

}  // namespace

void set_log_level(LogLevel level) {
  logger().set_level(to_spdlog(level));
}

bool is_logged(LogLevel level) {
  return logger().should_log(to_spdlog(level));
}

void write_log(LogLevel level, std::string_view text) {
  logger().log(to_spdlog(level), printable(text, Newlines::keep));
}

}  // namespace waggle
