// SPDX-License-Identifier: Apache-2.0
// A private place for files that tools write, gone when we are done with it.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace waggle {

// Mode 0700, below $TMPDIR or /tmp, under a name that nobody could have prepared.  Destruction
// removes it with all in it; links are removed, not followed.
class WorkDirectory {
 public:
  static Result<WorkDirectory> make();
  WorkDirectory(WorkDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkDirectory& operator=(WorkDirectory&& other) noexcept;
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  ~WorkDirectory() { remove(); }

  [[nodiscard]] const std::string& path() const { return path_; }
  void remove();

 private:
  explicit WorkDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;  // "": moved from, or removed
};

}  // namespace waggle
