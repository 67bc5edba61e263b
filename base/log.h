// SPDX-License-Identifier: Apache-2.0
// The one log, on stderr.  Whoever decides logs, once; libraries (base, symbolizer, attach,
// profile) return errors instead.  A survived failure ends in ", skipping ..." or
// ", continuing without ...".
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

enum class LogLevel { debug, info, warning, error };

// Lines below `level` are dropped.  Default: info.
void set_log_level(LogLevel level);
bool is_logged(LogLevel level);

struct LogFile {
  std::string path;
  std::size_t max_bytes;  // then it is renamed and another begun
  std::size_t old_count;  // files that are kept on top of it; 0: it is emptied
};
// From now on every line goes into this file too, whatever `level` drops, with its time (UTC).
// Before other threads log.
Result<> open_log_file(const LogFile& file);

// Control characters in `text` (names from the outside) are shown as '?'.
void write_log(LogLevel level, std::string_view text);

}  // namespace waggle

#define WAGGLE_LOG(level, ...)                                \
  do {                                                        \
    if (::waggle::is_logged(level)) {                         \
      ::waggle::write_log(level, ::fmt::format(__VA_ARGS__)); \
    }                                                         \
  } while (false)
#define LOG_DEBUG(...) WAGGLE_LOG(::waggle::LogLevel::debug, __VA_ARGS__)
#define LOG_INFO(...) WAGGLE_LOG(::waggle::LogLevel::info, __VA_ARGS__)
#define LOG_WARNING(...) WAGGLE_LOG(::waggle::LogLevel::warning, __VA_ARGS__)
#define LOG_ERROR(...) WAGGLE_LOG(::waggle::LogLevel::error, __VA_ARGS__)
