// SPDX-License-Identifier: Apache-2.0
// Options of languages: who tells the functions of Python, Java, Ruby, PHP, .NET and Node, and how.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "userspace/cli/options.h"
#include "userspace/cli/record_options.h"

namespace waggle {

// The value of `option` into `path`, if it is given; none is empty.
Result<> read_tool_path(const ParsedArguments& parsed, std::string_view option, std::string& path);

// Into `options`, whose --mode and --perf-mode are read; what is not given stays.
Result<> read_runtimes(const ParsedArguments& parsed, RecordOptions& options);

}  // namespace waggle
