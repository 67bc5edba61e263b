// SPDX-License-Identifier: Apache-2.0
// --cpu-budget and --memory-budget.  Not for what they do: health/governor.h.
#pragma once

#include "base/result.h"
#include "userspace/cli/options.h"
#include "userspace/health/governor.h"

namespace waggle {

// What is not given stays.
Result<> read_budget(const ParsedArguments& parsed, Budget& budget);

}  // namespace waggle
