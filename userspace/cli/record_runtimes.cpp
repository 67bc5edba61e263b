// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_runtimes.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "base/log.h"
#include "userspace/runtime_profilers/dotnet_trace.h"
#include "userspace/runtime_profilers/java_session.h"
#include "userspace/runtime_profilers/phpspy.h"
#include "userspace/runtime_profilers/process_tool_profiler.h"
#include "userspace/runtime_profilers/profiler.h"
#include "userspace/runtime_profilers/py_spy.h"
#include "userspace/runtime_profilers/rbspy.h"
#include "userspace/runtime_profilers/spawned_processes.h"
#include "userspace/select/match.h"
#include "userspace/select/selection.h"

namespace waggle {

namespace {

// `selection`: of a recording with filters that the kernel side applies; set before it starts.
RuntimeTargets targets_of(const RecordOptions& options, const Selection& selection) {
  RuntimeTargets targets{.takes_all = true,
                         .named = {},
                         .is_pid_filtered = !options.pids.empty() || !options.command.empty(),
                         .follows_children = options.with_children || !options.command.empty(),
                         .youngest = std::chrono::seconds(options.min_profiling_duration_s),
                         .limit = options.max_runtime_processes};
  if (!kernel_filter_of(options).empty()) {
    targets.is_recorded = [&selection](pid_t pid) {
      return match_process(static_cast<std::uint32_t>(pid), selection).has_value();
    };
  }
  return targets;
}

// Whether py-spy tells of each Python that is recorded, of some, or of none.
enum class PySpyTargets { none, some, all };

PySpyTargets py_spy_targets(const RecordOptions& options, bool engine_walks_python) {
  switch (options.python_mode) {
    case PythonMode::automatic:
      if (!engine_walks_python) {
        return PySpyTargets::all;
      }
      return options.max_python_processes != 0 ? PySpyTargets::some : PySpyTargets::none;
    case PythonMode::py_spy:
      return PySpyTargets::all;
    case PythonMode::ebpf:
      if (!engine_walks_python) {
        LOG_WARNING("--python-mode ebpf: there is no BPF here, continuing with native frames");
      }
      return PySpyTargets::none;
    case PythonMode::disabled:
      break;
  }
  return PySpyTargets::none;
}

// nullptr: it has nothing to do.
Result<std::unique_ptr<ProcessToolProfiler>> make_py_spy(const RecordOptions& options,
                                                         int frequency_hz,
                                                         const RecordEngine& engine,
                                                         RuntimeTargets targets,
                                                         RuntimeHooks hooks) {
  const PySpyTargets wanted = py_spy_targets(options, engine.walks_python());
  const bool is_unused = wanted == PySpyTargets::none && options.py_spy_pids.empty();
  if (is_unused || options.python_mode == PythonMode::disabled) {
    return nullptr;
  }
  targets.takes_all = wanted == PySpyTargets::all;
  targets.named = options.py_spy_pids;
  auto py_spy = std::make_unique<PySpy>(PySpyOptions{.frequency_hz = frequency_hz,
                                                     .has_lines = options.has_python_lines,
                                                     .tells_threads = options.has_thread_frames},
                                        options.has_python_versions, hooks.thread_name);
  return ProcessToolProfiler::prepare(std::move(py_spy), options.py_spy_path, std::move(targets),
                                      std::move(hooks));
}

JavaEvent java_event(const RecordOptions& options) {
  if (options.mode == ProfilingMode::allocation) {
    return JavaEvent::alloc;
  }
  switch (options.java_mode) {
    case JavaMode::cpu:
    case JavaMode::disabled:
      break;
    case JavaMode::itimer:
      return JavaEvent::itimer;
    case JavaMode::wall:
      return JavaEvent::wall;
  }
  return JavaEvent::cpu;
}

// nullptr: it has nothing to do.
Result<std::unique_ptr<JavaSession>> make_java(const RecordOptions& options, int frequency_hz,
                                               RuntimeTargets targets, RuntimeHooks hooks) {
  if (options.java_mode == JavaMode::disabled) {
    return nullptr;
  }
  std::optional<std::chrono::seconds> duration;
  if (options.duration_s) {
    duration = std::chrono::seconds(*options.duration_s);
  }
  return JavaSession::prepare({.path = options.async_profiler_path,
                               .async_profiler = {.event = java_event(options),
                                                  .frequency_hz = frequency_hz,
                                                  .alloc_bytes = options.alloc_interval_bytes,
                                                  .tells_threads = options.has_thread_frames,
                                                  .more = options.async_profiler_args},
                               .duration = duration,
                               .patience = std::chrono::seconds(options.java_patience_s),
                               .jattach = options.jattach_path,
                               .safemode = options.java_safemode,
                               .checks_version = options.checks_java_version,
                               .has_native_frames = options.mode == ProfilingMode::cpu,
                               .targets = std::move(targets)},
                              std::move(hooks));
}

class EngineWithRuntimes final : public RecordEngine {
 public:
  // `python`: nullptr, or one of `profilers`.
  EngineWithRuntimes(std::unique_ptr<RecordEngine> engine, std::unique_ptr<Selection> selection,
                     std::vector<std::unique_ptr<RuntimeProfiler>> profilers,
                     ProcessToolProfiler* python, const RecordOptions& options)
      : engine_(std::move(engine)),
        selection_(std::move(selection)),
        profilers_(std::move(profilers)),
        max_python_processes_(options.max_python_processes),
        left_to_(options.python_mode == PythonMode::automatic ? python : nullptr) {
    if (options.profiles_spawned) {
      spawned_.emplace(std::chrono::seconds(options.min_profiling_duration_s));
    }
  }

  Result<> select_pid(pid_t pid) override;
  Result<> select(const Selection& selection) override {
    *selection_ = selection;
    return engine_->select(selection);
  }
  Result<> start() override;
  [[nodiscard]] std::vector<int> fds() const override;
  Result<> on_readable() override;
  [[nodiscard]] std::chrono::milliseconds tick_interval() const override {
    return engine_->tick_interval();
  }
  Result<> tick() override;
  Result<> housekeep() override { return engine_->housekeep(); }
  [[nodiscard]] std::uint64_t sample_count() const override { return engine_->sample_count(); }
  [[nodiscard]] bool is_over() const override { return engine_->is_over(); }
  std::vector<std::string> take_problems() override;
  std::vector<ContainerRef> take_new_containers() override {
    return engine_->take_new_containers();
  }
  void tell_applications(const ApplicationSink& sink) override { engine_->tell_applications(sink); }
  void hurry() override { engine_->hurry(); }
  Result<> stop() override;
  Result<EngineResult> finish() override;
  [[nodiscard]] bool walks_python() const override { return engine_->walks_python(); }

 private:
  void leave_python();
  void show_spawned();

  std::unique_ptr<RecordEngine> engine_;
  std::unique_ptr<Selection> selection_;                     // the profilers look at it
  std::vector<std::unique_ptr<RuntimeProfiler>> profilers_;  // they call the engine
  std::uint32_t max_python_processes_;
  ProcessToolProfiler* left_to_;  // gets the Pythons above that number
  bool has_told_of_above_ = false;
  std::optional<SpawnedProcesses> spawned_;
  std::vector<std::string> problems_;
};

Result<> EngineWithRuntimes::select_pid(pid_t pid) {
  for (const auto& profiler : profilers_) {
    profiler->select_pid(pid);
  }
  return engine_->select_pid(pid);
}

Result<> EngineWithRuntimes::start() {
  if (spawned_) {
    engine_->watch_spawned();
  }
  TRY(engine_->start());
  for (const auto& profiler : profilers_) {
    profiler->start();
  }
  return {};
}

std::vector<int> EngineWithRuntimes::fds() const {
  std::vector<int> fds = engine_->fds();
  for (const auto& profiler : profilers_) {
    fds.push_back(profiler->fd());
  }
  return fds;
}

Result<> EngineWithRuntimes::on_readable() {
  TRY(engine_->on_readable());
  for (const auto& profiler : profilers_) {
    TRY(profiler->on_readable());
  }
  return {};
}

// The Pythons that are too many for the kernel side.
void EngineWithRuntimes::leave_python() {
  const std::vector<std::uint32_t> above = engine_->take_python_above();
  if (!above.empty() && !std::exchange(has_told_of_above_, true)) {
    problems_.push_back(
        fmt::format("process {}: {} processes of Python are walked already "
                    "(--python-skip-pyperf-profiler-above), {}",
                    above.front(), max_python_processes_,
                    left_to_ != nullptr ? "leaving it and the others to py-spy"
                                        : "continuing with native frames there"));
  }
  if (left_to_ != nullptr) {
    for (const std::uint32_t pid : above) {
      left_to_->add(static_cast<pid_t>(pid));
    }
  }
}

void EngineWithRuntimes::show_spawned() {
  const auto now = std::chrono::steady_clock::now();
  for (const std::uint32_t pid : engine_->take_spawned()) {
    spawned_->add(static_cast<pid_t>(pid), now);
  }
  for (const pid_t pid : spawned_->take_due(now)) {
    for (const auto& profiler : profilers_) {
      profiler->add(pid);
    }
  }
}

Result<> EngineWithRuntimes::tick() {
  leave_python();
  if (spawned_) {
    show_spawned();
  }
  for (const auto& profiler : profilers_) {
    profiler->tick();
  }
  return engine_->tick();
}

std::vector<std::string> EngineWithRuntimes::take_problems() {
  std::vector<std::string> problems = std::exchange(problems_, {});
  std::ranges::move(engine_->take_problems(), std::back_inserter(problems));
  for (const auto& profiler : profilers_) {
    std::ranges::move(profiler->take_problems(), std::back_inserter(problems));
  }
  return problems;
}

// All end at the same time.
Result<> EngineWithRuntimes::stop() {
  for (const auto& profiler : profilers_) {
    profiler->interrupt();
  }
  return engine_->stop();
}

Result<EngineResult> EngineWithRuntimes::finish() {
  EngineResult result = TRY(engine_->finish());
  std::vector<RuntimeStacks> stacks;
  bool has_looked = false;  // into a process, which was told apart for it
  for (const auto& profiler : profilers_) {
    RuntimeReport report = TRY(profiler->finish());
    std::ranges::move(report.stacks, std::back_inserter(stacks));
    std::ranges::move(report.excluded, std::back_inserter(result.facts.excluded));
    result.facts.overhead.cpu_s += std::chrono::duration<double>(report.cpu_time).count();
    if (!report.state.empty()) {
      result.facts.tools.emplace_back(std::move(report.tool), std::move(report.state));
      has_looked = true;
    }
  }
  if (spawned_ && spawned_->dropped() != 0) {
    result.facts.excluded.push_back(
        fmt::format("--profile-spawned-processes: {} processes left out, more than {} at once",
                    spawned_->dropped(), SpawnedProcesses::kMaxWaiting));
  }
  if (!engine_->has_samples()) {
    MergedProfile merged = concatenate_runtime_stacks(stacks);
    result.profile = std::move(merged.profile);
    result.facts.added += merged.added;
    result.facts.samples += result.profile.total() - merged.added;
  } else if (has_looked) {
    MergedProfile merged = merge_runtime_stacks(result.profile, stacks);
    result.profile = std::move(merged.profile);
    result.facts.added += merged.added;
  }
  return result;
}

}  // namespace

Result<std::unique_ptr<RecordEngine>> with_runtimes(std::unique_ptr<RecordEngine> engine,
                                                    const RecordOptions& options,
                                                    int frequency_hz) {
  std::vector<std::unique_ptr<RuntimeProfiler>> profilers;
  const RuntimeHooks hooks = engine->runtime_hooks();
  auto selection = std::make_unique<Selection>();
  const RuntimeTargets targets = targets_of(options, *selection);
  if (options.mode == ProfilingMode::allocation) {
    profilers.push_back(TRY(make_java(options, frequency_hz, targets, hooks)));
    return std::make_unique<EngineWithRuntimes>(std::move(engine), std::move(selection),
                                                std::move(profilers), nullptr, options);
  }
  std::unique_ptr<ProcessToolProfiler> py_spy =
      TRY(make_py_spy(options, frequency_hz, *engine, targets, hooks));
  ProcessToolProfiler* const python = py_spy.get();
  if (py_spy) {
    profilers.push_back(std::move(py_spy));
  }
  if (std::unique_ptr<JavaSession> java = TRY(make_java(options, frequency_hz, targets, hooks))) {
    profilers.push_back(std::move(java));
  }
  if (options.has_ruby) {
    profilers.push_back(TRY(ProcessToolProfiler::prepare(std::make_unique<Rbspy>(frequency_hz),
                                                         options.rbspy_path, targets, hooks)));
  }
  if (options.has_php) {
    profilers.push_back(TRY(Phpspy::prepare({.path = options.phpspy_path,
                                             .filter = options.php_filter,
                                             .frequency_hz = frequency_hz,
                                             .targets = targets},
                                            hooks)));
  }
  if (options.has_dotnet) {
    profilers.push_back(TRY(ProcessToolProfiler::prepare(
        std::make_unique<DotnetTrace>(frequency_hz), options.dotnet_trace_path, targets, hooks)));
  }
  return std::make_unique<EngineWithRuntimes>(std::move(engine), std::move(selection),
                                              std::move(profilers), python, options);
}

}  // namespace waggle
