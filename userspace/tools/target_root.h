// SPDX-License-Identifier: Apache-2.0
// Paths as another process sees them, opened without believing it: its links end in its own root.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// The directory `path` below `root`; O_PATH.  Links are followed inside `root` alone; where the
// kernel cannot do that (before 5.6) none is.
Result<UniqueFd> open_directory_in_root(int root, const std::string& path);

// Of `name` in `directory`, not of what a link points to.  Errc::not_found: there is none.
Result<struct stat> status_at(int directory, const std::string& name);

}  // namespace waggle
