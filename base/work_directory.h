// SPDX-License-Identifier: Apache-2.0
// A private place for files that tools write, gone when we are done with it.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// Mode 0700, below $TMPDIR or /tmp, under a name that nobody could have prepared.  Destruction
// removes it with all in it; links are removed, not followed.  It is locked (flock(2)) for as long:
// what a waggle that was killed has left is found by its lock that is gone, and goes when another
// is made.
class WorkDirectory {
 public:
  // Removes what others of ours left there too.
  static Result<WorkDirectory> make();
  WorkDirectory(WorkDirectory&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}
  WorkDirectory& operator=(WorkDirectory&& other) noexcept;
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  ~WorkDirectory() { remove(); }

  [[nodiscard]] const std::string& path() const { return path_; }
  void remove();

 private:
  WorkDirectory(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;  // "": moved from, or removed
  UniqueFd lock_;     // the directory itself
};

}  // namespace waggle
