// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <utility>

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
  const bool has_file = logger().sinks().size() > 1;
  logger().sinks().front()->set_level(to_spdlog(level));
  logger().set_level(has_file ? spdlog::level::debug : to_spdlog(level));
}

Result<> open_log_file(const LogFile& file) {
  try {
    auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(file.path, file.max_bytes,
                                                                       file.old_count);
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "[%Y-%m-%d %H:%M:%S,%e] %l: waggle: %v", spdlog::pattern_time_type::utc));
    logger().sinks().push_back(std::move(sink));
  } catch (const spdlog::spdlog_ex& error) {
    return fail(Errc::system, printable(error.what()));
  }
  logger().sinks().front()->set_level(logger().level());
  logger().set_level(spdlog::level::debug);
  logger().flush_on(spdlog::level::debug);
  return {};
}

bool is_logged(LogLevel level) {
  return logger().should_log(to_spdlog(level));
}

void write_log(LogLevel level, std::string_view text) {
  logger().log(to_spdlog(level), printable(text, Newlines::keep));
}

}  // namespace waggle
