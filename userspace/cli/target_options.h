// SPDX-License-Identifier: Apache-2.0
// Options that say who is recorded.  Not for finding them: record_selection.h.
#pragma once

#include <sys/types.h>

#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/cli/options.h"
#include "userspace/cli/record_options.h"

namespace waggle {

// Of all lists of the option; sorted, without duplicates.
Result<std::vector<pid_t>> read_pids(const ParsedArguments& parsed, std::string_view option);

// Into `options`; what is not given stays.
Result<> read_targets(const ParsedArguments& parsed, RecordOptions& options);

}  // namespace waggle
