// SPDX-License-Identifier: Apache-2.0
// What takes the samples of one `waggle record`, whichever way the host allows.  Not for choosing
// it: engine_choice.h.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bpf/abi/stats.h"
#include "userspace/cli/engine_choice.h"
#include "userspace/cli/record_options.h"
#include "userspace/output/recording_facts.h"
#include "userspace/process/application.h"
#include "userspace/process/process.h"
#include "userspace/profile/profile.h"
#include "userspace/runtime_profilers/profiler.h"
#include "userspace/select/selection.h"

namespace waggle {

struct EngineResult {
  Profile profile;
  RecordingFacts facts;               // what the engine knows of them
  std::vector<std::string> warnings;  // of the whole recording, one line each
  // Whether the stacks of runtimes stand beside samples of the system's; else alone, and why where
  // that was not to be: "": it was.
  bool is_sampled = true;
  std::string why_unsampled = {};
};

// What an engine tells of itself while it runs.
struct EngineFigures {
  cpu_stats stats{};  // since it began; zeros where no BPF program counts
  std::size_t queued_frames = 0;
  std::uint64_t bpf_map_bytes = 0;
  std::uint64_t tables_compiled = 0;
  std::uint64_t tables_evicted = 0;
  std::uint64_t unprepared = 0;  // programs and mappings that were left until they are sampled
  // CPU time of its threads: for stacks, and for what can wait (names and tables of files, mappings
  // of processes).
  std::chrono::nanoseconds stacks_time{};
  std::chrono::nanoseconds background_time{};
  std::chrono::nanoseconds hearing_time{};   // what processes do, as the kernel tells it
  std::chrono::nanoseconds runtimes_time{};  // profilers of runtimes, without their children
  bool has_sampling_children = false;        // its children cost what sampling costs
};

// CPU time a second, as CpuPacer has it; nullopt: as much as it takes.
struct EnginePace {
  std::optional<std::chrono::nanoseconds> background;  // names and tables of files wait for it
  std::chrono::nanoseconds credit{};                   // once on top of that
  std::optional<std::chrono::nanoseconds> hearing;     // more: processes are heard less often
};

// Waits for the rest of a session: names, data of tools.  Once, on any thread; the engine need not
// outlive it.
using SessionEnd = std::move_only_function<Result<EngineResult>()>;

// What a session may have other than the one before.
struct SessionSettings {
  std::vector<pid_t> pids;  // none: all
  Selection selection;
  int frequency_hz = 0;
};

struct SessionCut {
  SessionEnd end;
  Result<> changed;  // an error: the next session is as the one before
};

// One thread.  Destruction at any point gives everything back.
class RecordEngine {
 public:
  RecordEngine() = default;
  RecordEngine(const RecordEngine&) = delete;
  RecordEngine& operator=(const RecordEngine&) = delete;
  virtual ~RecordEngine() = default;

  virtual Result<> select_pid(pid_t pid) = 0;
  // Where kernel_filter_of() names one.
  virtual Result<> select(const Selection& selection) = 0;
  // Samples are taken once it returns.
  virtual Result<> start() = 0;

  // Readable when on_readable() has work to do.
  [[nodiscard]] virtual std::vector<int> fds() const = 0;
  virtual Result<> on_readable() = 0;
  // For how long what they tell may wait: asked after on_readable().
  [[nodiscard]] virtual std::chrono::milliseconds rest() { return {}; }
  [[nodiscard]] virtual std::chrono::milliseconds tick_interval() const = 0;
  virtual Result<> tick() = 0;
  // About once a second.
  virtual Result<> housekeep() = 0;

  [[nodiscard]] virtual std::uint64_t sample_count() const = 0;
  [[nodiscard]] virtual EngineFigures figures() const { return {}; }
  // Nothing is left to be sampled.
  [[nodiscard]] virtual bool is_over() const = 0;
  // It will take no sample any more, though something is left to be sampled.
  [[nodiscard]] virtual bool is_given_up() const { return false; }
  // What went wrong since the last call, one line each.
  virtual std::vector<std::string> take_problems() = 0;

  // Containers that were not seen before, since the last call.
  virtual std::vector<ContainerRef> take_new_containers() = 0;

  // Before start(): `sink` gets each program when it is first sampled.
  virtual void tell_applications(const ApplicationSink& /*sink*/) {}

  // Before start().
  virtual Result<> prepare_session(const SessionSettings& settings) {
    if (!settings.selection.is_everything()) {
      TRY(select(settings.selection));
    }
    for (const pid_t pid : settings.pids) {
      TRY(select_pid(pid));
    }
    return {};
  }
  // Ends a session and begins the next while sampling goes on; fds() may be others then.  Those
  // that can are followed by finish() for the last one.  `change`: nullptr, or what the next one is
  // to be from its first sample on.
  [[nodiscard]] virtual bool can_cut() const { return false; }
  // Else cut() takes no `change`.
  [[nodiscard]] virtual bool can_change() const { return can_cut(); }
  virtual Result<SessionCut> cut(const SessionSettings* /*change*/) {
    return fail(Errc::unsupported, "sessions are recordings of their own");
  }
  // What a budget asks for while it samples; Errc::unsupported where it cannot.
  // From now on this many samples a second.
  virtual Result<> set_frequency(int /*frequency_hz*/) {
    return fail(Errc::unsupported, "the frequency cannot be changed while it samples");
  }
  // No sample is taken until go_on(), which cannot fail after it.
  virtual Result<> pause() { return fail(Errc::unsupported, "sampling cannot be paused"); }
  virtual void go_on() {}
  virtual void pace(const EnginePace& /*pace*/) {}
  // Makes memory free that can be had again.
  virtual void forget_names() {}
  // Whether the profilers of runtimes run; they do at first.
  virtual void let_runtimes(bool /*may_run*/) {}

  // On any thread: what waits for names, or for tools, ends soon with what there is.
  virtual void hurry() {}
  // For the profilers of runtimes that run beside it, as long as it lives.
  virtual RuntimeHooks runtime_hooks() { return {}; }
  // Whether it has Python's functions itself.
  [[nodiscard]] virtual bool walks_python() const { return false; }
  // Processes of Python that were too many for it, since the last call.
  virtual std::vector<std::uint32_t> take_python_above() { return {}; }

  // Before start(), for take_spawned(): of the whole host.
  virtual void watch_spawned() {}
  // Processes that have begun a program since the last call.
  virtual std::vector<std::uint32_t> take_spawned() { return {}; }

  // Whether it samples at all: else the stacks of runtimes are what there is.
  [[nodiscard]] virtual bool has_samples() const { return true; }

  // Before stop(): for how long it may wait for tools; it takes what they have told by then.
  virtual void limit_stop(std::chrono::milliseconds /*time*/) {}
  // Ends sampling.
  virtual Result<> stop() = 0;
  // Waits for names and data, after stop().
  virtual Result<EngineResult> finish() = 0;
};

// frequency_hz: as the kernel allows it.
Result<std::unique_ptr<RecordEngine>> make_ebpf_engine(const RecordOptions& options,
                                                       int frequency_hz);
// For sessions without end: everything that is selected can be changed, and nothing waits for
// names.
Result<std::unique_ptr<RecordEngine>> make_lasting_ebpf_engine(const RecordOptions& options,
                                                               int frequency_hz);
// What the options ask for that perf cannot do: an error, whatever perf is like.
Result<> check_fallback(const RecordOptions& options);
struct PerfProgram {
  std::string path;
  std::string version;
};
Result<PerfProgram> find_perf(const RecordOptions& options);
// After check_fallback().  `goes_on`: where perf refuses to start, profilers of runtimes that run
// beside it are alone.
Result<std::unique_ptr<RecordEngine>> make_fallback_engine(const RecordOptions& options,
                                                           int frequency_hz,
                                                           const std::string& perf, bool goes_on);

// Samples nothing, for the profilers of runtimes that run beside it.  `facts`: what the result
// begins with.
Result<std::unique_ptr<RecordEngine>> make_idle_engine(const RecordOptions& options,
                                                       RecordingFacts facts);
// What such facts say of everybody else.
std::string runtimes_alone(std::string_view why);

}  // namespace waggle
