// SPDX-License-Identifier: Apache-2.0
// py-spy as the engines of `waggle record` use it.  Not for what it does: py_spy_session.h.
#pragma once

#include <memory>

#include "base/result.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_options.h"
#include "userspace/py_spy_session.h"

namespace waggle {

// Whether py-spy tells of each Python that is recorded, of some, or of none.
enum class PySpyTargets { none, some, all };

// nullptr: it has nothing to do.  `frequency_hz`: of the recording.
Result<std::unique_ptr<PySpySession>> make_py_spy_session(const RecordOptions& options,
                                                          int frequency_hz, PySpyTargets targets,
                                                          PySpyHooks hooks);

// After the recording's end: waits for py-spy and puts its stacks into the result.
Result<> merge_py_spy(PySpySession& session, EngineResult& result);

}  // namespace waggle
