// SPDX-License-Identifier: Apache-2.0
// The table of verbs: which word runs what.  Not for what a verb does: see its own file.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace waggle {

// `program` is argv[0], `arguments` the rest.  Returns the exit status.
int run_program(std::string_view program, std::span<const std::string> arguments);

// "waggle record: --pids: ..." on stderr; returns kExitUsage.
int report_usage_error(std::string_view verb, const Error& error);

}  // namespace waggle
