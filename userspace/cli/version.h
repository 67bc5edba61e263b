// SPDX-License-Identifier: Apache-2.0
// What this binary is, for --version.
#pragma once

#include <string>
#include <string_view>

namespace waggle {

// "0.1.0"
std::string_view program_version();

// "waggle 0.1.0"; verbose: also revision, compiler, libbpf and the running kernel, a line each.
std::string version_text(bool is_verbose);

}  // namespace waggle
