// SPDX-License-Identifier: Apache-2.0
// Paths as a process sees them, told and read without believing it: links end in its own root,
// nothing but regular files is opened, and none that its user may not read.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace waggle {

// Of the directory /proc/PID, which stands for this process alone.  One thread.
class ApplicationRoot {
 public:
  static constexpr std::size_t kMaxFileBytes = std::size_t{64} << 10;

  explicit ApplicationRoot(int process_directory);

  [[nodiscard]] const std::string& cwd() const { return cwd_; }
  // Absolute, without links; where that cannot be told, without "." and "..".
  [[nodiscard]] std::string resolve(const std::string& path) const;
  [[nodiscard]] std::optional<std::string> read(const std::string& path) const;

 private:
  [[nodiscard]] UniqueFd find(const std::string& path) const;
  [[nodiscard]] std::string beyond_cwd(const std::string& path) const;

  std::string root_path_;  // as we see it
  std::string cwd_;        // as the process does; "": not known
  UniqueFd root_;
  uid_t user_;  // of the process
};

// "/a/../b/./c" is "/b/c"; nothing is above the root.
std::string without_dots(std::string_view path);

// The link `name` in `directory`; "" where it cannot be read.
std::string read_link(int directory, const char* name);

}  // namespace waggle
