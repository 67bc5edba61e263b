// SPDX-License-Identifier: Apache-2.0
// The engine of hosts with BTF and BPF.
#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "bpf/abi/select.h"
#include "userspace/cli/record_engine.h"
#include "userspace/process/proc_fs.h"
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
  if (recording.given_up != 0) {
    warnings.push_back(
        fmt::format("{} functions show where they are in place of their names: there was no time "
                    "to read those",
                    recording.given_up));
  }
  return warnings;
}

std::string read_thread_name(pid_t pid, pid_t tid) {
  return ProcFs().read_thread_name(static_cast<std::uint32_t>(pid),
                                   static_cast<std::uint32_t>(tid));
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

class EbpfEngine final : public RecordEngine {
 public:
  EbpfEngine(std::unique_ptr<Recorder> recorder, const RecordOptions& options)
      : recorder_(std::move(recorder)), has_pids_(!options.pids.empty()) {}

  Result<> select_pid(pid_t pid) override { return recorder_->select_pid(pid); }
  Result<> select(const Selection& selection) override { return recorder_->select(selection); }
  Result<> start() override { return recorder_->start(); }
  [[nodiscard]] std::vector<int> fds() const override { return recorder_->fds(); }
  Result<> on_readable() override { return recorder_->on_readable(); }
  [[nodiscard]] std::chrono::milliseconds tick_interval() const override {
    return recorder_->tick_interval();
  }
  Result<> tick() override { return recorder_->tick(); }
  Result<> housekeep() override { return recorder_->housekeep(); }
  [[nodiscard]] std::uint64_t sample_count() const override {
    const Result<cpu_stats> stats = recorder_->stats();
    return stats ? stats->samples : 0;
  }
  [[nodiscard]] bool is_over() const override {
    return has_pids_ && recorder_->selected_count() == 0;
  }
  std::vector<std::string> take_problems() override;
  std::vector<ContainerRef> take_new_containers() override {
    return recorder_->take_new_containers();
  }
  void tell_applications(const ApplicationSink& sink) override {
    recorder_->tell_applications(sink);
  }
  RuntimeHooks runtime_hooks() override {
    return {.tell_apart =
                [this](pid_t pid) {
                  return RuntimeStacks{.process = static_cast<std::uint32_t>(pid),
                                       .comm = recorder_->tell_apart(pid),
                                       .stacks = {},
                                       .error = {}};
                },
            .add_own = [](pid_t) {},  // it is sampled like any other process
            .thread_name = read_thread_name};
  }
  [[nodiscard]] bool walks_python() const override { return true; }
  std::vector<std::uint32_t> take_python_above() override { return recorder_->take_python_above(); }
  void watch_spawned() override { recorder_->watch_execs(); }
  std::vector<std::uint32_t> take_spawned() override { return recorder_->take_execs(); }
  [[nodiscard]] EngineFigures figures() const override;
  Result<> set_frequency(int frequency_hz) override {
    return recorder_->set_frequency(frequency_hz);
  }
  Result<> pause() override {
    recorder_->pause();
    return {};
  }
  void go_on() override { recorder_->go_on(); }
  [[nodiscard]] std::chrono::milliseconds rest() override { return recorder_->rest(); }
  void pace(const EnginePace& pace) override {
    const auto now = CpuPacer::Clock::now();
    recorder_->pacer().limit(pace.background, now, pace.credit);
    recorder_->hearing_pacer().limit(pace.hearing, now);
  }
  void forget_names() override { recorder_->forget_names(); }
  [[nodiscard]] bool can_cut() const override { return true; }
  Result<> prepare_session(const SessionSettings& settings) override;
  Result<SessionCut> cut(const SessionSettings* change) override;
  void hurry() override { recorder_->hurry(); }
  Result<> stop() override { return recorder_->stop(); }
  Result<EngineResult> finish() override { return result_of(TRY(recorder_->finish())); }

 private:
  Result<> reselect(const SessionSettings& settings);
  void change_to(const SessionSettings& settings, Result<>& result);

  std::unique_ptr<Recorder> recorder_;
  bool has_pids_;
  SessionSettings settings_;  // of the session, where sessions are cut
  std::vector<std::string> problems_;
};

EngineFigures EbpfEngine::figures() const {
  const UnwindTables::Counters tables = recorder_->table_counters();
  return {.stats = recorder_->stats().value_or(cpu_stats{}),
          .queued_frames = recorder_->queued_frames(),
          .bpf_map_bytes = recorder_->map_bytes(),
          .tables_compiled = tables.compiled,
          .tables_evicted = tables.evicted,
          .unprepared = recorder_->unprepared(),
          .stacks_time = recorder_->stacks_time(),
          .background_time = recorder_->pacer().used(),
          .hearing_time = recorder_->hearing_pacer().used()};
}

Result<> EbpfEngine::prepare_session(const SessionSettings& settings) {
  settings_ = settings;
  return reselect(settings);
}

Result<SessionCut> EbpfEngine::cut(const SessionSettings* change) {
  SessionCut cut;
  EndedSession ended = change == nullptr
                           ? TRY(recorder_->cut())
                           : TRY(recorder_->cut([&] { change_to(*change, cut.changed); }));
  cut.end = [ended = std::move(ended)]() mutable -> Result<EngineResult> {
    return result_of(TRY(ended.wait()));
  };
  return cut;
}

Result<> EbpfEngine::reselect(const SessionSettings& settings) {
  TRY(recorder_->select(settings.selection));
  TRY(recorder_->select_pids(settings.pids));
  has_pids_ = !settings.pids.empty();
  return {};
}

void EbpfEngine::change_to(const SessionSettings& settings, Result<>& result) {
  result = reselect(settings);
  if (!result) {
    (void)reselect(settings_);  // it was possible before
    return;
  }
  if (settings.frequency_hz != settings_.frequency_hz) {
    if (const Result<> set = recorder_->set_frequency(settings.frequency_hz); !set) {
      problems_.push_back(set.error().what);  // of one CPU, which housekeep() tries again
    }
  }
  settings_ = settings;
}

std::vector<std::string> EbpfEngine::take_problems() {
  std::vector<std::string> problems = std::exchange(problems_, {});
  for (const auto& [file, reason] : recorder_->take_table_problems()) {
    problems.push_back(fmt::format("{}: {}, continuing with frame pointers there", file, reason));
  }
  for (const auto& [subject, reason] : recorder_->take_python_problems()) {
    problems.push_back(fmt::format("{}: {}, continuing with native frames there", subject, reason));
  }
  return problems;
}

TableOptions table_options_of(const RecordOptions& options) {
  TableOptions tables{.files_directory = options.unwind_cache_dir,
                      .prepares_running = options.command.empty()};
  if (const std::size_t budget = options.budget.memory_bytes; budget != 0) {
    constexpr std::size_t kParts = 4;  // tables, names; the rest and the profile have half of it
    tables.budget_bytes = std::min(tables.budget_bytes, budget / kParts);
    tables.names_bytes = std::min(tables.names_bytes, budget / kParts);
  }
  return tables;
}

Result<std::unique_ptr<RecordEngine>> make_engine(const RecordOptions& options, int frequency_hz,
                                                  bool is_lasting) {
  const bool is_walked =
      options.python_mode == PythonMode::automatic || options.python_mode == PythonMode::ebpf;
  const bool is_filtered = !options.pids.empty() || !options.command.empty();
  std::unique_ptr<Recorder> recorder = TRY(Recorder::prepare(
      {.frequency = frequency_hz,
       .is_pid_filtered = is_filtered || is_lasting,
       .is_cgroup_filtered = !options.cgroups.empty() || !options.excluded_cgroups.empty() ||
                             !options.containers.empty() || options.ranks_cgroups || is_lasting,
       .is_comm_filtered = !options.comms.empty() || is_lasting,
       .follows_children = options.with_children || !options.command.empty(),
       .counts_threads = options.has_thread_frames,
       .walks_python = is_walked,
       .has_python_lines = options.has_python_lines,
       .keeps_python_loops = options.has_python_eval_frames,
       .ring_bytes = std::size_t{options.ring_size_kib} * 1024,
       .is_timed = options.budget.cpu_percent.has_value(),
       .btf_path = options.btf_path},
      table_options_of(options),
      {.is_walked = is_walked,
       .max_processes = options.max_python_processes,
       .has_versions = options.has_python_versions}));
  if (!options.pin_dir.empty()) {
    if (const Result<> pinned = recorder->pin(options.pin_dir); !pinned) {
      LOG_WARNING("--pin: {}, continuing without pins", pinned.error().what);
    }
  }
  if (options.shows_files) {
    recorder->show_files();
  }
  if (is_lasting) {
    recorder->never_wait();
    TRY(recorder->select_pids({}));
    TRY(recorder->select({}));
  }
  return std::make_unique<EbpfEngine>(std::move(recorder), options);
}

}  // namespace

Result<std::unique_ptr<RecordEngine>> make_ebpf_engine(const RecordOptions& options,
                                                       int frequency_hz) {
  return make_engine(options, frequency_hz, false);
}

Result<std::unique_ptr<RecordEngine>> make_lasting_ebpf_engine(const RecordOptions& options,
                                                               int frequency_hz) {
  return make_engine(options, frequency_hz, true);
}

}  // namespace waggle
