// SPDX-License-Identifier: Apache-2.0
// WAGGLE_VERSION and WAGGLE_REVISION come from CMakeLists.txt.
#include "userspace/cli/version.h"

#include <fmt/core.h>

#include "base/text.h"
#include "userspace/attach/features.h"

namespace waggle {

std::string_view program_version() {
  return WAGGLE_VERSION;
}

std::string version_text(bool is_verbose) {
  std::string text = fmt::format("waggle {}\n", program_version());
  if (is_verbose) {
    text += fmt::format("revision  {}\n", WAGGLE_REVISION);
    text += fmt::format("compiler  {}\n", WAGGLE_COMPILER);
    text += fmt::format("libbpf    {}\n", libbpf_version());
    text += fmt::format("kernel    {}\n", printable(kernel_release()));
  }
  return text;
}

}  // namespace waggle
