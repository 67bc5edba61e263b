// SPDX-License-Identifier: Apache-2.0
// What a JVM that crashes writes of it: hs_err_pidPID.log, or the file of -XX:ErrorFile.
// Untrusted: whoever runs as the JVM's user can write it.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/tools/async_profiler/jvm.h"

namespace waggle {

// The signal, where, and in which frame: one line; "" where the text tells none of it.
std::string crash_excerpt(std::string_view report);
// The virtual machine, the native frames and the container, a line for each that is told.
std::vector<std::string> crash_details(std::string_view report);
// All of it that can be shown, line by line; where it is cut, the last line says so.
std::vector<std::string> crash_lines(std::string_view report);

struct Crash {
  std::string excerpt;
  std::vector<std::string> lines;
};

// Where one JVM would write it, held while it lives: afterwards nobody tells.  One thread.
class CrashReport {
 public:
  static constexpr std::size_t kMaxReportBytes = std::size_t{1} << 20;

  static Result<CrashReport> watch(const Jvm& jvm);
  // Once the JVM has crashed.  `lines`: all of its report if `is_whole`, else the details.
  [[nodiscard]] std::optional<Crash> find(bool is_whole) const;

 private:
  [[nodiscard]] std::string read(int directory, const std::string& name) const;

  uid_t uid_ = 0;
  time_t since_ = 0;  // older ones are of others: in a container each JVM is process 1
  std::string name_;  // hs_err_pidPID.log
  UniqueFd working_;  // directories; closed: not to be had
  UniqueFd temporary_;
  UniqueFd named_;  // of -XX:ErrorFile
  std::string named_file_;
};

}  // namespace waggle
