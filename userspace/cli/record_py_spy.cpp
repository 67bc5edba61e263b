// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_py_spy.h"

#include <chrono>
#include <iterator>
#include <utility>

namespace waggle {

Result<std::unique_ptr<PySpySession>> make_py_spy_session(const RecordOptions& options,
                                                          int frequency_hz, PySpyTargets targets,
                                                          PySpyHooks hooks) {
  const bool is_unused = targets == PySpyTargets::none && options.py_spy_pids.empty();
  if (is_unused || options.python_mode == PythonMode::disabled) {
    return nullptr;
  }
  return PySpySession::prepare(
      {.path = options.py_spy_path,
       .py_spy = {.frequency_hz = frequency_hz,
                  .has_lines = options.has_python_lines,
                  .tells_threads = options.has_thread_frames},
       .takes_all = targets == PySpyTargets::all,
       .named = options.py_spy_pids,
       .is_pid_filtered = !options.pids.empty() || !options.command.empty(),
       .follows_children = options.with_children || !options.command.empty()},
      std::move(hooks));
}

Result<> merge_py_spy(PySpySession& session, EngineResult& result) {
  PySpyResult merged = TRY(session.finish(std::move(result.profile)));
  result.profile = std::move(merged.profile);
  result.facts.added += merged.added;
  std::ranges::move(merged.excluded, std::back_inserter(result.facts.excluded));
  result.facts.overhead.cpu_s += std::chrono::duration<double>(merged.cpu_time).count();
  if (!merged.state.empty()) {
    result.facts.tools.emplace_back("py-spy", merged.state);
  }
  return {};
}

}  // namespace waggle
