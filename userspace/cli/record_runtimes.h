// SPDX-License-Identifier: Apache-2.0
// The profilers of runtimes beside an engine of `waggle record`: their stacks take the place of its
// own of the same processes.  Not for what each does: runtime_profilers/.
#pragma once

#include <memory>

#include "base/result.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_options.h"
#include "userspace/runtime_profilers/turns.h"

namespace waggle {

// The engine with those that the options ask for.  Where it is cut, each session has its own.
// `frequency_hz`: of the recording.  `turns`: of all engines that follow one another.
Result<std::unique_ptr<RecordEngine>> with_runtimes(
    std::unique_ptr<RecordEngine> engine, const RecordOptions& options, int frequency_hz,
    std::shared_ptr<RuntimeTurns> turns = std::make_shared<RuntimeTurns>());

}  // namespace waggle
