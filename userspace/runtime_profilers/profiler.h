// SPDX-License-Identifier: Apache-2.0
// A profiler of one language's runtime that runs beside a recording: finds its processes, and has
// their stacks at the end.  Those take the place of what the system's profiler saw of the same
// processes: cli/record_runtimes.h.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "userspace/profile/runtime_merge.h"

namespace waggle {

// What the recording must know of each process that such a profiler looks into.
struct RuntimeHooks {
  // Its samples stay apart from now on (Profile::Stack::process).  Returns what its stacks go into.
  std::function<RuntimeStacks(pid_t)> tell_apart;
  // A child of ours, that is not to be sampled.
  std::function<void(pid_t)> add_own;
  // "" where it is not known.
  std::function<std::string(pid_t pid, pid_t tid)> thread_name;
};

struct RuntimeReport {
  std::vector<RuntimeStacks> stacks;
  std::string tool;                   // its name in the header's `tools`
  std::string state;                  // there: "ok" or what went wrong; "": it had nothing to do
  std::vector<std::string> excluded;  // for the header
  std::chrono::microseconds cpu_time{};
  int frequency_hz = 0;  // as RuntimeStacks::frequency_hz, of all of them
};

// From interrupt() on.  Less than the seven seconds that perf's data may take to read, and the ten
// in which a session is over whatever its tools do.
constexpr std::chrono::seconds kRuntimeStopTime(6);

// One thread at a time.  Destruction leaves no child, no file, and no process stopped or still
// profiled.
class RuntimeProfiler {
 public:
  RuntimeProfiler() = default;
  RuntimeProfiler(const RuntimeProfiler&) = delete;  // handlers hold its address
  RuntimeProfiler& operator=(const RuntimeProfiler&) = delete;
  virtual ~RuntimeProfiler() = default;

  virtual void select_pid(pid_t pid) = 0;
  // A process that was met while it runs; shown again, it may have its runtime by then.
  virtual void add(pid_t pid) = 0;
  // Before the recording samples, where it begins with this session: for what must be there by
  // then.
  virtual void prepare_start() {}
  // Once the recording samples.
  virtual void start() = 0;

  // Readable when on_readable() has work to do.
  [[nodiscard]] virtual int fd() const = 0;
  virtual Result<> on_readable() = 0;
  // A few times a second.
  virtual void tick() = 0;
  // Whether it has stacks of somebody to come.
  [[nodiscard]] virtual bool is_profiling() const { return false; }
  // What went wrong since the last call, one line each; the first of many.
  virtual std::vector<std::string> take_problems() = 0;

  // Asks for the end of all that runs, without waiting: the recording ends meanwhile.
  virtual void interrupt() = 0;
  // Waits for it, for kRuntimeStopTime or until it is to `hurry`, then goes on without.  After
  // interrupt(); of the hooks it calls those for names of threads and children of ours alone.
  virtual Result<RuntimeReport> finish(const std::stop_token& hurry) = 0;
};

}  // namespace waggle
