// SPDX-License-Identifier: Apache-2.0
// The profilers of runtimes beside an engine of `waggle record`: their stacks take the place of its
// own of the same processes.  Not for what each does: runtime_profilers/.
#pragma once

#include <memory>

#include "base/result.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_options.h"

namespace waggle {

// The engine with those that the options ask for, or as it is where they ask for none.
// `frequency_hz`: of the recording.
Result<std::unique_ptr<RecordEngine>> with_runtimes(std::unique_ptr<RecordEngine> engine,
                                                    const RecordOptions& options, int frequency_hz);

}  // namespace waggle
