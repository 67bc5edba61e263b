// SPDX-License-Identifier: Apache-2.0
// Options of Java: async-profiler's own, and how JVMs are asked.
#pragma once

#include "base/result.h"
#include "userspace/cli/options.h"
#include "userspace/cli/record_options.h"

namespace waggle {

// Into `options`, whose --mode is read; what is not given stays.
Result<> read_java(const ParsedArguments& parsed, RecordOptions& options);

}  // namespace waggle
