// SPDX-License-Identifier: Apache-2.0
// The identifier of the application that a process runs, as its command line tells: that of an
// interpreter says less than which script it interprets.  Pure; the command line is the process'
// own to change.  Not for reading it: application_reader.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

inline constexpr std::size_t kMaxCommandLineBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxArguments = 4096;
inline constexpr std::size_t kMaxApplicationIdBytes = 1024;

// Of the text of /proc/PID/cmdline: NUL after each.  What is beyond the limit is left out.
std::vector<std::string> parse_command_line(std::string_view text);

// POSIX extended regular expressions: they take no exponential time.  Any thread.
class ArgumentFilters {
 public:
  // Errc::malformed.
  [[nodiscard]] Result<> add(const std::string& pattern);
  // Whether one of them is found in the argument, of which the first KiB is looked at.
  [[nodiscard]] bool match(std::string_view argument) const;

 private:
  struct Pattern;
  std::vector<std::shared_ptr<const Pattern>> patterns_;
};

struct RuntimesOfProcess {
  bool has_python = false;
  bool has_java = false;
  bool has_node = false;
  bool has_ruby = false;
};

struct ApplicationIdQuestion {
  std::span<const std::string> arguments;
  RuntimesOfProcess runtimes;
  std::string cwd = {};  // as the process sees it; "": not known
  // A path in the process' root, relative to its cwd, without symbolic links.
  std::function<std::string(const std::string& path)> resolve = {};
  // The text of a small file there.
  std::function<std::optional<std::string>(const std::string& path)> read = {};
  const ArgumentFilters* java_arguments = nullptr;  // those that its identifier is to show
  bool wants_spark = false;
};

// As gProfiler has it, byte by byte, where the command line is one that it knows.
std::optional<std::string> find_application_id(const ApplicationIdQuestion& question);

}  // namespace waggle
