// SPDX-License-Identifier: Apache-2.0
// The profilers of others that waggle can work with: which are installed, where, which version.
// Not for running them on a target.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

struct ExternalTool {
  std::string_view name;     // "py-spy", as people call it
  std::string_view file;     // "py-spy", as it is called on disk
  bool is_library;           // found, not run
  std::string_view serves;   // what is lost without it
  std::string_view install;  // how to get it
};

std::span<const ExternalTool> external_tools();

// Beside our own binary, in PATH, then in the usual places; no directory twice.
std::vector<std::string> tool_directories();

// The first of `directories` that has `file` as a regular file we may run (a library: read).
std::optional<std::string> find_tool(const ExternalTool& tool,
                                     std::span<const std::string> directories);

// Where the tool called `name` is: at `given`, a person's word, which then decides (for a library
// its directory too); else the first of tool_directories() that has it.  Errc::not_found with what
// to do about it.
Result<std::string> locate_tool(std::string_view name, const std::string& given);

// The version the program at `path` tells within a second: "0.4.3".
Result<std::string> read_tool_version(const std::string& path);

// The first word of `output` that looks like a version, without a leading "v".
std::optional<std::string> find_version(std::string_view output);

}  // namespace waggle
