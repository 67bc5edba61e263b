// SPDX-License-Identifier: Apache-2.0
// What a shared library tells of itself before anybody loads it.  Not for naming its addresses:
// symbolizer/module.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

struct SharedLibrary {
  std::string build_id;             // "": it has none
  std::vector<std::string> needed;  // names of the libraries that it is loaded with
};

// Of this machine, with the function `entry`.  The error tells what the file is instead, as it goes
// on after the file's name: "is no shared library".
Result<SharedLibrary> read_shared_library(UniqueFd fd, std::string_view entry);

}  // namespace waggle
