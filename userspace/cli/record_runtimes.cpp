// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record_runtimes.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <future>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/cpu_pacer.h"
#include "userspace/cli/runtime_round.h"
#include "userspace/process/proc_fs.h"
#include "userspace/profile/runtime_merge.h"
#include "userspace/runtime_profilers/node_attachments.h"
#include "userspace/runtime_profilers/spawned_processes.h"
#include "userspace/select/selection.h"

namespace waggle {

namespace {

// Stacks of runtimes are all there is.
void stand_alone(const RoundReport& report, EngineResult& result) {
  RecordingFacts& facts = result.facts;
  MergedProfile merged = concatenate_runtime_stacks(report.stacks);
  result.profile = std::move(merged.profile);
  facts.added += merged.added;
  facts.samples += result.profile.total() - merged.added;
  if (merged.frequency_hz != 0) {
    facts.frequency = merged.frequency_hz;
    facts.event = fmt::format("{}", fmt::join(report.counted_by, ", "));
  }
  if (!result.why_unsampled.empty()) {
    facts.excluded.push_back(runtimes_alone(result.why_unsampled));
  }
  if (!result.why_unsampled.empty() && result.profile.total() != 0) {
    result.warnings.push_back(
        fmt::format("no samples of the system's ({}), the profile has the stacks of runtimes alone",
                    result.why_unsampled));
  }
}

// `is_apart`: there may be processes that were told apart without a stack of theirs in the report.
void add_report(RoundReport report, bool is_apart, EngineResult& result) {
  RecordingFacts& facts = result.facts;
  std::ranges::move(report.excluded, std::back_inserter(facts.excluded));
  std::ranges::move(report.problems, std::back_inserter(result.warnings));
  facts.overhead.cpu_s += std::chrono::duration<double>(report.cpu_time).count();
  const bool has_looked = is_apart || !report.tools.empty();
  std::ranges::move(report.tools, std::back_inserter(facts.tools));
  if (!result.is_sampled) {
    stand_alone(report, result);
  } else if (has_looked) {
    MergedProfile merged = merge_runtime_stacks(result.profile, report.stacks);
    result.profile = std::move(merged.profile);
    facts.added += merged.added;
  }
}

class EngineWithRuntimes final : public RecordEngine {
 public:
  // `turns`: not nullptr.
  EngineWithRuntimes(std::unique_ptr<RecordEngine> engine, const RecordOptions& options,
                     std::shared_ptr<RuntimeTurns> turns)
      : engine_(std::move(engine)), options_(options), turns_(std::move(turns)) {
    if (options.profiles_spawned) {
      spawned_.emplace(std::chrono::seconds(options.min_profiling_duration_s));
    }
  }

  Result<> prepare(int frequency_hz);
  Result<> prepare_session(const SessionSettings& settings) override;
  Result<> select_pid(pid_t pid) override {
    round_->select_pid(pid);
    return engine_->select_pid(pid);
  }
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
  [[nodiscard]] EngineFigures figures() const override;
  [[nodiscard]] bool is_over() const override { return engine_->is_over() || is_given_up(); }
  [[nodiscard]] bool is_given_up() const override {
    return engine_->is_given_up() && (round_ == nullptr || !round_->is_profiling());
  }
  std::vector<std::string> take_problems() override;
  std::vector<ContainerRef> take_new_containers() override {
    return engine_->take_new_containers();
  }
  void tell_applications(const ApplicationSink& sink) override { engine_->tell_applications(sink); }
  [[nodiscard]] bool can_cut() const override { return engine_->can_cut(); }
  [[nodiscard]] bool can_change() const override { return engine_->can_change(); }
  Result<> set_frequency(int frequency_hz) override { return engine_->set_frequency(frequency_hz); }
  Result<> pause() override { return engine_->pause(); }
  void go_on() override { engine_->go_on(); }
  [[nodiscard]] std::chrono::milliseconds rest() override { return engine_->rest(); }
  void pace(const EnginePace& pace) override { engine_->pace(pace); }
  void forget_names() override { engine_->forget_names(); }
  void let_runtimes(bool may_run) override;
  Result<SessionCut> cut(const SessionSettings* change) override;
  void hurry() override {
    engine_->hurry();
    turns_->hurry();
  }
  void limit_stop(std::chrono::milliseconds time) override { engine_->limit_stop(time); }
  Result<> stop() override {
    round_->interrupt();
    if (nodes_) {
      nodes_->begin_end();
    }
    return engine_->stop();
  }
  Result<EngineResult> finish() override;
  [[nodiscard]] bool walks_python() const override { return engine_->walks_python(); }

 private:
  Result<> prepare_nodes();
  Result<> prepare_round();
  std::future<Result<RoundReport>> end_round();
  void begin_round();
  void tell_dropped(RoundReport& report);
  void leave_python();
  void show_spawned();

  std::unique_ptr<RecordEngine> engine_;
  RecordOptions options_;  // but for what `session_` has
  SessionSettings session_;
  std::shared_ptr<Selection> selection_;  // of the session; the profilers look at it
  std::shared_ptr<RuntimeTurns> turns_;
  std::shared_ptr<NodeAttachments> nodes_;  // of all sessions; nullptr: none is attached to
  std::unique_ptr<RuntimeRound> round_;     // calls the engine; nullptr: finished
  std::vector<std::future<void>> ending_;   // those before it
  std::set<std::uint32_t> left_pythons_;    // of those that may still run
  bool has_told_of_left_ = false;
  bool has_cut_ = false;
  bool may_run_ = true;  // the profilers, as let_runtimes() says
  std::optional<SpawnedProcesses> spawned_;
  std::uint64_t told_dropped_ = 0;  // of `spawned_`
  std::chrono::nanoseconds runtimes_time_{};
  std::vector<std::string> problems_;
};

Result<> EngineWithRuntimes::prepare_nodes() {
  if (options_.attaches_node_maps && engine_->has_samples()) {
    nodes_ =
        std::make_shared<NodeAttachments>(TRY(NodeModules::prepare(options_.node_linux_perf_path)));
  }
  return {};
}

Result<> EngineWithRuntimes::prepare_round() {
  selection_ = std::make_shared<Selection>(session_.selection);
  const bool is_filtered = !kernel_filter_of(options_).empty() || !selection_->is_everything();
  RoundSettings settings{
      .frequency_hz = session_.frequency_hz,
      .is_pid_filtered = !session_.pids.empty() || !options_.command.empty(),
      .selection = is_filtered ? selection_ : nullptr,
      .nodes = nodes_,
  };
  if (engine_->can_cut()) {
    settings.first_look = {};  // its sessions cannot wait
  }
  round_ = TRY(RuntimeRound::prepare(options_, settings, *engine_));
  return {};
}

// Of one recording; its selection comes by select() and select_pid().
Result<> EngineWithRuntimes::prepare(int frequency_hz) {
  session_ = {.pids = options_.pids, .selection = {}, .frequency_hz = frequency_hz};
  TRY(prepare_nodes());
  return prepare_round();
}

Result<> EngineWithRuntimes::prepare_session(const SessionSettings& settings) {
  TRY(engine_->prepare_session(settings));
  session_ = settings;
  TRY(prepare_round());
  for (const pid_t pid : settings.pids) {
    round_->select_pid(pid);
  }
  return {};
}

Result<> EngineWithRuntimes::start() {
  if (spawned_) {
    engine_->watch_spawned();
  }
  round_->prepare_start();
  TRY(engine_->start());
  round_->start(*turns_);
  return {};
}

std::vector<int> EngineWithRuntimes::fds() const {
  std::vector<int> fds = engine_->fds();
  std::ranges::copy(round_->fds(), std::back_inserter(fds));
  return fds;
}

Result<> EngineWithRuntimes::on_readable() {
  TRY(engine_->on_readable());
  const std::chrono::nanoseconds begin = thread_cpu_time();
  TRY(round_->on_readable());
  runtimes_time_ += thread_cpu_time() - begin;
  return {};
}

EngineFigures EngineWithRuntimes::figures() const {
  EngineFigures figures = engine_->figures();
  figures.runtimes_time = runtimes_time_;
  return figures;
}

// The Pythons that are too many for the kernel side.
void EngineWithRuntimes::leave_python() {
  const std::vector<std::uint32_t> above = engine_->take_python_above();
  if (!above.empty() && !std::exchange(has_told_of_left_, true)) {
    problems_.push_back(
        fmt::format("process {}: {} processes of Python are walked already "
                    "(--python-skip-pyperf-profiler-above), {}",
                    above.front(), options_.max_python_processes,
                    round_->takes_left_python() ? "leaving it and the others to py-spy"
                                                : "continuing with native frames there"));
  }
  for (const std::uint32_t pid : above) {
    round_->add_left_python(static_cast<pid_t>(pid));
    left_pythons_.insert(pid);
  }
}

void EngineWithRuntimes::show_spawned() {
  const auto now = std::chrono::steady_clock::now();
  for (const std::uint32_t pid : engine_->take_spawned()) {
    spawned_->add(static_cast<pid_t>(pid), now);
  }
  for (const pid_t pid : spawned_->take_due(now)) {
    round_->add(pid);
  }
}

Result<> EngineWithRuntimes::tick() {
  const std::chrono::nanoseconds begin = thread_cpu_time();
  leave_python();
  if (spawned_) {
    show_spawned();
  }
  round_->tick();
  runtimes_time_ += thread_cpu_time() - begin;
  return engine_->tick();
}

std::vector<std::string> EngineWithRuntimes::take_problems() {
  std::vector<std::string> problems = std::exchange(problems_, {});
  std::ranges::move(engine_->take_problems(), std::back_inserter(problems));
  if (round_ != nullptr) {
    std::ranges::move(round_->take_problems(), std::back_inserter(problems));
  }
  return problems;
}

void EngineWithRuntimes::tell_dropped(RoundReport& report) {
  if (!spawned_ || spawned_->dropped() == told_dropped_) {
    return;
  }
  report.excluded.push_back(
      fmt::format("--profile-spawned-processes: {} processes left out, more than {} at once",
                  spawned_->dropped() - std::exchange(told_dropped_, spawned_->dropped()),
                  SpawnedProcesses::kMaxWaiting));
}

// On a thread of its own: a tool may take its time to end.
std::future<Result<RoundReport>> EngineWithRuntimes::end_round() {
  round_->interrupt();
  std::packaged_task<Result<RoundReport>()> task(
      [round = std::move(round_), hurry = turns_->hurried()]() mutable {
        Result<RoundReport> report = round->finish(hurry);
        round = nullptr;  // the next one's turn
        return report;
      });
  std::future<Result<RoundReport>> report = task.get_future();
  std::erase_if(ending_, [](const std::future<void>& ended) {
    return ended.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
  ending_.push_back(std::async(std::launch::async, [task = std::move(task)]() mutable { task(); }));
  return report;
}

// Those of this session end now; the next one's are as it says.
void EngineWithRuntimes::let_runtimes(bool may_run) {
  may_run_ = may_run;
  if (!may_run && round_ != nullptr) {
    round_->interrupt();
  }
}

// The profilers of the session that has begun.
void EngineWithRuntimes::begin_round() {
  if (!may_run_) {
    round_ = std::make_unique<RuntimeRound>();
    return;
  }
  if (const Result<> prepared = prepare_round(); !prepared) {
    problems_.push_back(fmt::format("{}: this session continues without profilers of runtimes",
                                    prepared.error().what));
    round_ = std::make_unique<RuntimeRound>();
  }
  for (const pid_t pid : session_.pids) {
    round_->select_pid(pid);
  }
  std::erase_if(left_pythons_, [](std::uint32_t pid) { return !ProcFs().read_stat(pid); });
  for (const std::uint32_t pid : left_pythons_) {
    round_->add_left_python(static_cast<pid_t>(pid));
  }
  round_->start(*turns_);
}

Result<SessionCut> EngineWithRuntimes::cut(const SessionSettings* change) {
  SessionCut cut = TRY(engine_->cut(change));
  has_cut_ = true;
  if (change != nullptr && cut.changed) {
    session_ = *change;
  }
  RoundReport more;
  tell_dropped(more);
  cut.end = [end = std::move(cut.end), round = end_round(),
             more = std::move(more)]() mutable -> Result<EngineResult> {
    EngineResult result = TRY(end());
    add_report(TRY(round.get()), true, result);
    std::ranges::move(more.excluded, std::back_inserter(result.facts.excluded));
    return result;
  };
  begin_round();
  return cut;
}

Result<EngineResult> EngineWithRuntimes::finish() {
  EngineResult result = TRY(engine_->finish());
  RoundReport report = TRY(round_->finish(turns_->hurried()));
  if (nodes_) {
    std::ranges::move(nodes_->finish(turns_->hurried()), std::back_inserter(report.problems));
  }
  round_ = nullptr;
  tell_dropped(report);
  add_report(std::move(report), has_cut_ || engine_->can_cut(), result);
  return result;
}

}  // namespace

Result<std::unique_ptr<RecordEngine>> with_runtimes(std::unique_ptr<RecordEngine> engine,
                                                    const RecordOptions& options, int frequency_hz,
                                                    std::shared_ptr<RuntimeTurns> turns) {
  auto with = std::make_unique<EngineWithRuntimes>(std::move(engine), options, std::move(turns));
  TRY(with->prepare(frequency_hz));
  return with;
}

}  // namespace waggle
