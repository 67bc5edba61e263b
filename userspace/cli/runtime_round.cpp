// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/runtime_round.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>

#include "base/event_loop.h"
#include "base/log.h"
#include "userspace/runtime_profilers/dotnet_trace.h"
#include "userspace/runtime_profilers/java_session.h"
#include "userspace/runtime_profilers/node_maps.h"
#include "userspace/runtime_profilers/phpspy.h"
#include "userspace/runtime_profilers/py_spy.h"
#include "userspace/runtime_profilers/rbspy.h"
#include "userspace/select/match.h"
#include "userspace/tools/external_tools.h"

namespace waggle {

namespace {

constexpr std::chrono::milliseconds kEarlyTick(50);
constexpr std::chrono::seconds kEarly(2);

RuntimeTargets targets_of(const RecordOptions& options, const RoundSettings& settings) {
  RuntimeTargets targets{.takes_all = true,
                         .named = {},
                         .is_pid_filtered = settings.is_pid_filtered,
                         .follows_children = options.with_children || !options.command.empty(),
                         .youngest = std::chrono::seconds(options.min_profiling_duration_s),
                         .limit = options.max_runtime_processes,
                         .first_look = settings.first_look};
  if (settings.selection != nullptr) {
    targets.is_recorded = [selection = settings.selection](pid_t pid) {
      return match_process(static_cast<std::uint32_t>(pid), *selection).has_value();
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
    case JavaMode::automatic:
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

AsyncProfilerOptions agent_options(const RecordOptions& options, int frequency_hz) {
  AsyncProfilerOptions agent = options.async_profiler;
  agent.event = java_event(options);
  agent.may_use_timer = options.java_mode == JavaMode::automatic;
  agent.frequency_hz = frequency_hz;
  agent.alloc_bytes = options.alloc_interval_bytes;
  agent.tells_threads = options.has_thread_frames;
  agent.tells_libraries = options.shows_files;
  return agent;
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
                               .async_profiler = agent_options(options, frequency_hz),
                               .duration = duration,
                               .patience = std::chrono::seconds(options.java_patience_s),
                               .jattach = options.jattach_path,
                               .safemode = options.java_safemode,
                               .tells_whole_crash = options.tells_whole_hserr,
                               .checks_version = options.checks_java_version,
                               .has_native_frames = options.mode == ProfilingMode::cpu,
                               .targets = std::move(targets)},
                              std::move(hooks));
}

}  // namespace

std::vector<std::string> find_usable_profilers(const RecordOptions& options) {
  const PythonMode python = options.python_mode;
  const bool has_python = python == PythonMode::automatic || python == PythonMode::py_spy ||
                          (python == PythonMode::ebpf && !options.py_spy_pids.empty());
  std::vector<std::string> usable;
  const auto add = [&](bool is_wanted, const char* name, const std::string& path) {
    if (is_wanted && locate_tool(name, path)) {
      usable.emplace_back(name);
    }
  };
  add(has_python, "py-spy", options.py_spy_path);
  add(options.java_mode != JavaMode::disabled, "async-profiler", options.async_profiler_path);
  add(options.has_ruby, "rbspy", options.rbspy_path);
  add(options.has_php, "phpspy", options.phpspy_path);
  add(options.has_dotnet, "dotnet-trace", options.dotnet_trace_path);
  return usable;
}

Result<std::unique_ptr<RuntimeRound>> RuntimeRound::prepare(const RecordOptions& options,
                                                            const RoundSettings& settings,
                                                            RecordEngine& engine) {
  auto round = std::make_unique<RuntimeRound>();
  std::vector<std::unique_ptr<RuntimeProfiler>>& profilers = round->profilers_;
  const RuntimeHooks hooks = engine.runtime_hooks();
  const RuntimeTargets targets = targets_of(options, settings);
  const int frequency_hz = settings.frequency_hz;
  round->timer_ = TRY(open_timer(kEarlyTick, kEarlyTick));
  std::unique_ptr<JavaSession> java = TRY(make_java(options, frequency_hz, targets, hooks));
  if (options.mode == ProfilingMode::allocation) {
    profilers.push_back(std::move(java));
    return round;
  }
  if (auto py_spy = TRY(make_py_spy(options, frequency_hz, engine, targets, hooks))) {
    round->left_to_ = options.python_mode == PythonMode::automatic ? py_spy.get() : nullptr;
    profilers.push_back(std::move(py_spy));
  }
  if (java) {
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
  if (settings.nodes) {
    profilers.push_back(TRY(NodeMaps::prepare(settings.nodes, targets)));
  }
  return round;
}

void RuntimeRound::select_pid(pid_t pid) {
  for (const auto& profiler : profilers_) {
    profiler->select_pid(pid);
  }
}

void RuntimeRound::add(pid_t pid) {
  if (is_interrupted_) {
    return;
  }
  for (const auto& profiler : profilers_) {
    profiler->add(pid);
  }
}

void RuntimeRound::add_left_python(pid_t pid) {
  if (left_to_ != nullptr && !is_interrupted_) {
    left_to_->add(pid);
  }
}

void RuntimeRound::prepare_start() {
  for (const auto& profiler : profilers_) {
    profiler->prepare_start();
  }
}

void RuntimeRound::start(RuntimeTurns& turns) {
  turns_ = &turns;
  begin();
}

void RuntimeRound::begin() {
  if (turns_ == nullptr) {
    return;
  }
  turn_ = turns_->try_take();
  if (turn_ == nullptr) {
    return;
  }
  turns_ = nullptr;
  begun_ = std::chrono::steady_clock::now();
  for (const auto& profiler : profilers_) {
    profiler->start();
  }
}

std::vector<int> RuntimeRound::fds() const {
  std::vector<int> fds;
  for (const auto& profiler : profilers_) {
    fds.push_back(profiler->fd());
  }
  if (timer_.is_open()) {
    fds.push_back(timer_.get());
  }
  return fds;
}

Result<> RuntimeRound::on_readable() {
  advance();
  for (const auto& profiler : profilers_) {
    TRY(profiler->on_readable());
  }
  return {};
}

// By the timer.
void RuntimeRound::advance() {
  if (!timer_.is_open() || !drain_timer(timer_.get())) {
    return;
  }
  const bool has_settled = turn_ != nullptr && std::chrono::steady_clock::now() - begun_ > kEarly;
  if (has_settled) {
    stop_timer(timer_.get());
  }
  tick();
}

void RuntimeRound::tick() {
  if (turn_ == nullptr) {
    begin();
    return;
  }
  if (is_interrupted_) {
    return;  // those that end are readable
  }
  for (const auto& profiler : profilers_) {
    profiler->tick();
  }
}

bool RuntimeRound::is_profiling() const {
  return turn_ != nullptr && std::ranges::any_of(profilers_, [](const auto& profiler) {
           return profiler->is_profiling();
         });
}

std::vector<std::string> RuntimeRound::take_problems() {
  std::vector<std::string> problems;
  for (const auto& profiler : profilers_) {
    std::ranges::move(profiler->take_problems(), std::back_inserter(problems));
  }
  return problems;
}

// All end at the same time.
void RuntimeRound::interrupt() {
  if (std::exchange(is_interrupted_, true)) {
    return;
  }
  turns_ = nullptr;
  for (const auto& profiler : profilers_) {
    profiler->interrupt();
  }
}

void RuntimeRound::take_stacks(RuntimeReport& from, RoundReport& to) {
  const bool has_any = std::ranges::any_of(
      from.stacks, [](const RuntimeStacks& stacks) { return stacks.stacks.total() != 0; });
  if (has_any) {
    to.counted_by.push_back(from.tool);
  }
  for (RuntimeStacks& stacks : from.stacks) {
    stacks.frequency_hz = from.frequency_hz;
    to.stacks.push_back(std::move(stacks));
  }
}

Result<RoundReport> RuntimeRound::finish(const std::stop_token& hurry) {
  RoundReport report;
  for (const auto& profiler : profilers_) {
    RuntimeReport of_one = TRY(profiler->finish(hurry));
    take_stacks(of_one, report);
    std::ranges::move(of_one.excluded, std::back_inserter(report.excluded));
    report.cpu_time += of_one.cpu_time;
    if (!of_one.state.empty()) {
      report.tools.emplace_back(std::move(of_one.tool), std::move(of_one.state));
    }
  }
  report.problems = take_problems();
  if (turn_ == nullptr && !profilers_.empty()) {
    report.excluded.emplace_back("profilers of runtimes: those of the session before did not end");
  }
  return report;
}

}  // namespace waggle
