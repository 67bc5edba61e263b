// SPDX-License-Identifier: Apache-2.0
// The engine of hosts with BTF and BPF.
#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "bpf/abi/select.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_py_spy.h"
#include "userspace/recorder.h"

namespace waggle {

namespace {

// The counters of kind "lost" that are not zero.
std::vector<std::pair<std::string, std::uint64_t>> losses(const cpu_stats& stats) {
  std::vector<std::pair<std::string, std::uint64_t>> lost;
  const auto add = [&](std::string_view kind, const char* name, std::uint64_t value) {
    if (kind == "lost" && value != 0) {
      lost.emplace_back(name, value);
    }
  };
#define X(kind, name, text) add(#kind, #name, stats.name);
  WAGGLE_STATS(X)
#undef X
  return lost;
}

void log_counters(const Recording& recording) {
  const auto& mappings = recording.mappings;
  LOG_DEBUG("mappings: processes fed {} times, {} refused, {} with more than {} mappings",
            mappings.fed, mappings.refused, mappings.cut, MappingFeeder::kMaxRows);
  const auto& tables = recording.tables;
  LOG_DEBUG(
      "unwind tables: {} compiled ({} of them again), {} files without, {} refused, {} times no "
      "room, {} evicted, {} malformed functions, {} rows without a rule",
      tables.compiled, tables.again, tables.without, tables.refused, tables.no_room, tables.evicted,
      tables.malformed, tables.no_rule);
  const auto& files = recording.table_files;
  LOG_DEBUG("unwind cache: {} tables read, {} written, {} damaged, {} could not be written",
            files.read, files.written, files.damaged, files.failed);
}

std::vector<std::string> warnings_of(const Recording& recording) {
  std::vector<std::string> warnings;
  if (recording.kernel_names_problem) {
    warnings.push_back(
        fmt::format("kernel functions have no names: {}", recording.kernel_names_problem->what));
  }
  if (recording.stats.children_not_followed != 0) {
    warnings.push_back(fmt::format("{} children were not followed: more than {} processes at once",
                                   recording.stats.children_not_followed,
                                   std::uint32_t{SEL_MAX_PIDS}));
  }
  return warnings;
}

std::string read_thread_name(pid_t pid, pid_t tid) {
  const auto name = read_file(fmt::format("/proc/{}/task/{}/comm", pid, tid), 64);
  return name ? name->substr(0, name->find('\n')) : "";
}

using MakePySpy = std::function<Result<std::unique_ptr<PySpySession>>()>;

class EbpfEngine final : public RecordEngine {
 public:
  EbpfEngine(std::unique_ptr<Recorder> recorder, std::unique_ptr<PySpySession> py_spy,
             MakePySpy make_py_spy, const RecordOptions& options)
      : recorder_(std::move(recorder)),
        py_spy_(std::move(py_spy)),
        make_py_spy_(std::move(make_py_spy)),
        has_py_spy_(py_spy_ != nullptr),
        has_pids_(!options.pids.empty()),
        max_python_processes_(options.max_python_processes),
        is_left_to_py_spy_(py_spy_ != nullptr && options.python_mode == PythonMode::automatic) {}

  Result<> select_pid(pid_t pid) override;
  Result<> select(const Selection& selection) override { return recorder_->select(selection); }
  Result<> start() override;
  [[nodiscard]] std::vector<int> fds() const override;
  Result<> on_readable() override;
  [[nodiscard]] std::chrono::milliseconds tick_interval() const override {
    return recorder_->tick_interval();
  }
  Result<> tick() override;
  Result<> housekeep() override { return recorder_->housekeep(); }
  [[nodiscard]] std::uint64_t sample_count() const override {
    const Result<cpu_stats> stats = recorder_->stats();
    return stats ? stats->samples : 0;
  }
  [[nodiscard]] EngineFigures figures() const override;
  [[nodiscard]] bool is_over() const override {
    return has_pids_ && recorder_->selected_count() == 0;
  }
  std::vector<std::string> take_problems() override;
  [[nodiscard]] bool can_cut() const override { return true; }
  Result<SessionEnd> cut() override;
  Result<> reselect(const std::vector<pid_t>& pids, const Selection& selection) override;
  Result<> set_frequency(int frequency_hz) override {
    return recorder_->set_frequency(frequency_hz);
  }
  Result<> stop() override;
  Result<EngineResult> finish() override;

 private:
  void leave_to_py_spy();
  void start_py_spy();

  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<PySpySession> py_spy_;  // calls the recorder; nullptr: no child is started
  MakePySpy make_py_spy_;                 // one for each session
  std::vector<pid_t> pids_;               // selected
  bool has_py_spy_;
  bool has_pids_;
  std::uint32_t max_python_processes_;
  bool is_left_to_py_spy_;  // what is above
  bool has_told_of_above_ = false;
  std::vector<std::string> problems_;
};

Result<> EbpfEngine::select_pid(pid_t pid) {
  pids_.push_back(pid);
  if (py_spy_) {
    py_spy_->select_pid(pid);
  }
  return recorder_->select_pid(pid);
}

Result<> EbpfEngine::start() {
  TRY(recorder_->start());
  if (py_spy_) {
    py_spy_->start();
  }
  return {};
}

std::vector<int> EbpfEngine::fds() const {
  std::vector<int> fds = recorder_->fds();
  if (py_spy_) {
    fds.push_back(py_spy_->fd());
  }
  return fds;
}

Result<> EbpfEngine::on_readable() {
  TRY(recorder_->on_readable());
  return py_spy_ ? py_spy_->on_readable() : Result<>();
}

// The Pythons that are too many for the kernel side.
void EbpfEngine::leave_to_py_spy() {
  const std::vector<std::uint32_t> above = recorder_->take_python_above();
  if (!above.empty() && !std::exchange(has_told_of_above_, true)) {
    problems_.push_back(
        fmt::format("process {}: {} processes of Python are walked already "
                    "(--python-skip-pyperf-profiler-above), {}",
                    above.front(), max_python_processes_,
                    is_left_to_py_spy_ ? "leaving it and the others to py-spy"
                                       : "continuing with native frames there"));
  }
  for (const std::uint32_t pid : above) {
    if (is_left_to_py_spy_) {
      py_spy_->add(static_cast<pid_t>(pid));
    }
  }
}

Result<> EbpfEngine::tick() {
  leave_to_py_spy();
  if (py_spy_) {
    py_spy_->tick();
  }
  return recorder_->tick();
}

EngineFigures EbpfEngine::figures() const {
  const UnwindTables::Counters tables = recorder_->table_counters();
  return {.stats = recorder_->stats().value_or(cpu_stats{}),
          .queued_frames = recorder_->queued_frames(),
          .bpf_map_bytes = recorder_->map_bytes(),
          .tables_compiled = tables.compiled,
          .tables_evicted = tables.evicted};
}

Result<> EbpfEngine::stop() {
  if (py_spy_) {
    py_spy_->interrupt();
  }
  return recorder_->stop();
}

std::vector<std::string> EbpfEngine::take_problems() {
  std::vector<std::string> problems = std::exchange(problems_, {});
  for (const auto& [file, reason] : recorder_->take_table_problems()) {
    problems.push_back(fmt::format("{}: {}, continuing with frame pointers there", file, reason));
  }
  for (const auto& [subject, reason] : recorder_->take_python_problems()) {
    problems.push_back(fmt::format("{}: {}, continuing with native frames there", subject, reason));
  }
  if (py_spy_) {
    std::ranges::move(py_spy_->take_problems(), std::back_inserter(problems));
  }
  return problems;
}

EngineResult result_of(Recording recording) {
  log_counters(recording);
  RecordingFacts facts;
  facts.engine = "ebpf";
  facts.event = recording.event.name;
  facts.duration_s = std::chrono::duration<double>(recording.duration).count();
  facts.samples = recording.stats.samples;
  facts.lost = losses(recording.stats);
  if (recording.unnamed != 0) {
    facts.lost.emplace_back("names_late", recording.unnamed);
  }
  facts.throttled = recording.withheld;
  facts.truncated = recording.truncated;
  facts.overhead.bpf_map_bytes = recording.bpf_map_bytes;
  std::vector<std::string> warnings = warnings_of(recording);
  return {.profile = std::move(recording.profile),
          .facts = std::move(facts),
          .warnings = std::move(warnings)};
}

Result<EngineResult> EbpfEngine::finish() {
  EngineResult result = result_of(TRY(recorder_->finish()));
  if (py_spy_) {
    TRY(merge_py_spy(*py_spy_, result));
  }
  return result;
}

void EbpfEngine::start_py_spy() {
  auto py_spy = make_py_spy_();
  if (!py_spy) {
    problems_.push_back(fmt::format("{}, continuing without py-spy", py_spy.error().what));
    return;
  }
  py_spy_ = *std::move(py_spy);
  for (const pid_t pid : pids_) {
    py_spy_->select_pid(pid);
  }
  py_spy_->start();
}

Result<SessionEnd> EbpfEngine::cut() {
  if (py_spy_) {
    py_spy_->interrupt();
  }
  SessionEnd end = [ended = TRY(recorder_->cut()),
                    py_spy = std::shared_ptr<PySpySession>(
                        std::move(py_spy_))]() mutable -> Result<EngineResult> {
    EngineResult result = result_of(TRY(ended.wait()));
    if (py_spy) {
      TRY(merge_py_spy(*py_spy, result));
    }
    return result;
  };
  py_spy_ = nullptr;
  if (has_py_spy_) {
    start_py_spy();
  }
  return end;
}

Result<> EbpfEngine::reselect(const std::vector<pid_t>& pids, const Selection& selection) {
  TRY(recorder_->select(selection));
  if (pids != pids_) {
    TRY(recorder_->select_pids(pids));
    pids_ = pids;
  }
  has_pids_ = !pids.empty();
  return {};
}

}  // namespace

namespace {

Result<std::unique_ptr<EbpfEngine>> make_engine(const RecordOptions& options, int frequency_hz,
                                                bool is_lasting) {
  const bool is_walked =
      options.python_mode == PythonMode::automatic || options.python_mode == PythonMode::ebpf;
  const bool is_filtered = !options.pids.empty() || !options.command.empty();
  std::unique_ptr<Recorder> recorder = TRY(Recorder::prepare(
      {.frequency = frequency_hz,
       .is_pid_filtered = is_filtered || is_lasting,
       .is_cgroup_filtered = !options.cgroups.empty() || !options.excluded_cgroups.empty() ||
                             !options.containers.empty() || is_lasting,
       .is_comm_filtered = !options.comms.empty() || is_lasting,
       .follows_children = options.with_children || !options.command.empty(),
       .counts_threads = options.has_thread_frames,
       .walks_python = is_walked,
       .has_python_lines = options.has_python_lines,
       .keeps_python_loops = options.has_python_eval_frames,
       .ring_bytes = std::size_t{options.ring_size_kib} * 1024},
      {.files_directory = options.unwind_cache_dir, .prepares_running = options.command.empty()},
      {.is_walked = is_walked,
       .max_processes = options.max_python_processes,
       .has_versions = options.has_python_versions}));
  if (!options.pin_dir.empty()) {
    if (const Result<> pinned = recorder->pin(options.pin_dir); !pinned) {
      LOG_WARNING("--pin: {}, continuing without pins", pinned.error().what);
    }
  }
  if (is_lasting) {
    recorder->never_wait();
    TRY(recorder->select_pids({}));
    TRY(recorder->select({}));
  }
  Recorder& hooked = *recorder;
  const bool leaves_some =
      options.python_mode == PythonMode::automatic && options.max_python_processes != 0;
  const PySpyTargets targets = options.python_mode == PythonMode::py_spy ? PySpyTargets::all
                               : leaves_some                             ? PySpyTargets::some
                                                                         : PySpyTargets::none;
  MakePySpy make_py_spy = [options, frequency_hz, targets, &hooked] {
    return make_py_spy_session(
        options, frequency_hz, targets,
        {.tell_apart = [&hooked](pid_t pid) { return hooked.tell_apart(pid); },
         .add_own = [](pid_t) {},  // it is sampled like any other process
         .thread_name = read_thread_name});
  };
  std::unique_ptr<PySpySession> py_spy = TRY(make_py_spy());
  return std::make_unique<EbpfEngine>(std::move(recorder), std::move(py_spy),
                                      std::move(make_py_spy), options);
}

}  // namespace

Result<std::unique_ptr<RecordEngine>> make_ebpf_engine(const RecordOptions& options,
                                                       int frequency_hz) {
  return TRY(make_engine(options, frequency_hz, false));
}

Result<std::unique_ptr<RecordEngine>> make_lasting_ebpf_engine(const RecordOptions& options,
                                                               int frequency_hz) {
  return TRY(make_engine(options, frequency_hz, true));
}

}  // namespace waggle
