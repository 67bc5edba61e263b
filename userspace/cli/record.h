// SPDX-License-Identifier: Apache-2.0
// The verb `record`: one shot, from the first sample to the written files.
#pragma once

#include "userspace/cli/record_options.h"

namespace waggle {

// Returns the exit status.
int run_record(const RecordOptions& options);

}  // namespace waggle
