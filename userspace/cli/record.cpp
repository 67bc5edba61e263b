// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record.h"

#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/held_command.h"
#include "base/log.h"
#include "userspace/cli/application_telling.h"
#include "userspace/cli/container_naming.h"
#include "userspace/cli/engine_choice.h"
#include "userspace/cli/engine_governor.h"
#include "userspace/cli/engine_start.h"
#include "userspace/cli/engine_watch.h"
#include "userspace/cli/exit_status.h"
#include "userspace/cli/progress_bar.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_metadata.h"
#include "userspace/cli/record_selection.h"
#include "userspace/cli/recording_report.h"
#include "userspace/cli/stop_signals.h"
#include "userspace/metadata/system_metrics.h"
#include "userspace/output/profile_header.h"
#include "userspace/output/terminal_summary.h"
#include "userspace/profile/profile.h"

namespace waggle {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kHousekeeping = std::chrono::seconds(1);
constexpr milliseconds kCommandGrace(500);

int report(const Error& error) {
  LOG_ERROR("record: {}", error.what);
  return error.code == Errc::permission || error.code == Errc::unsupported ? kExitPrivilege
                                                                           : kExitFailure;
}

// What was recorded, for the page's title.
std::string title_of(const RecordOptions& options) {
  if (!options.command.empty()) {
    return fmt::format("{}", fmt::join(options.command, " "));
  }
  if (!options.pids.empty()) {
    return fmt::format("process {}", fmt::join(options.pids, ", "));
  }
  for (const auto& [kind, names] :
       {std::pair("cgroup", &options.cgroups), std::pair("container", &options.containers),
        std::pair("processes called", &options.comms)}) {
    if (!names->empty()) {
      return fmt::format("{} {}", kind, fmt::join(*names, ", "));
    }
  }
  return host_name();
}

// One run of `waggle record`, from checked options to written files.
class RecordRun {
 public:
  explicit RecordRun(const RecordOptions& options)
      : options_(options),
        frequency_hz_(options.frequency_hz),
        metadata_(options),
        containers_(options) {}

  Result<int> run();

 private:
  Result<int> show_selected();
  Result<> prepare();
  Result<> select_targets();
  Result<> start();
  Result<> record_until_the_end();
  void on_signal();
  void on_tick();
  void housekeep();
  void tell_problems();
  void end_command();
  [[nodiscard]] std::string why_no_samples(const RecordingFacts& facts) const;
  Result<int> report_result();

  const RecordOptions& options_;
  int frequency_hz_;
  std::optional<StopSignals> signals_;
  std::optional<EventLoop> loop_;
  EngineChoice choice_;
  std::optional<Error> refusal_;  // of the system's profiler
  Selection selection_;
  std::optional<ApplicationTelling> applications_;  // outlives the engine
  std::optional<EngineGovernor> governor_;          // once it samples
  EngineGovernor::Rate rate_;                       // of the recording, once it has ended
  std::unique_ptr<RecordEngine> engine_;
  std::optional<EngineWatch> watch_;  // before the engine goes, its descriptors do
  std::optional<HeldCommand> command_;
  std::optional<int> command_status_;
  std::optional<ProgressBar> bar_;
  RecordMetadata metadata_;
  SystemMetrics metrics_;
  ContainerNaming containers_;
  RecordingTimes times_;
  Clock::time_point start_;
  Clock::time_point next_housekeeping_;
  bool is_over_ = false;
  Result<> failure_;              // of a handler
  std::string last_cpu_problem_;  // said once
};

Result<> RecordRun::prepare() {
  frequency_hz_ = TRY(allowed_frequency(options_));
  EngineSequence alone;
  ChosenEngine chosen = TRY(prepare_engine(options_, frequency_hz_, EngineUse::recording, alone));
  TRY(check_outputs(options_.outputs));  // a privilege that is missing is told of before
  if (!chosen.warning.empty()) {
    LOG_WARNING("{}", chosen.warning);
  }
  if (!chosen.says.empty()) {
    LOG_INFO("{}", chosen.says);
  }
  refusal_ = std::move(chosen.refusal);
  choice_ = std::move(chosen.choice);
  engine_ = std::move(chosen.engine);
  std::ranges::move(chosen.left_out, std::back_inserter(selection_.left_out));
  return {};
}

// --dry-run: needs no privilege but to read /proc.
Result<int> RecordRun::show_selected() {
  const std::string list = TRY(list_selected(options_, selection_));
  TRY(write_all(STDOUT_FILENO, list));
  const auto count = std::ranges::count(list, '\n');
  LOG_INFO("{} process{}, nothing was recorded", count, count == 1 ? " matches" : "es match");
  return kExitOk;
}

Result<> RecordRun::select_targets() {
  if (!kernel_filter_of(options_).empty()) {
    TRY(engine_->select(selection_));
  }
  if (!options_.command.empty()) {
    command_.emplace(TRY(HeldCommand::fork(options_.command)));
    return engine_->select_pid(command_->pid());
  }
  for (const pid_t pid : TRY(find_processes(options_.pids))) {
    TRY(engine_->select_pid(pid));
  }
  return {};
}

Result<> RecordRun::start() {
  loop_ = TRY(EventLoop::open());
  TRY(loop_->add(signals_->fd(), [this] { on_signal(); }));
  engine_->tell_applications(applications_->sink());
  TRY(engine_->start());
  governor_.emplace(options_.budget, frequency_hz_, false, *applications_);
  governor_->begin(*engine_);
  watch_.emplace(*loop_, [this] { failure_ = engine_->on_readable(); }, [this] { on_tick(); });
  TRY(watch_->watch(*engine_));
  times_.start = std::chrono::system_clock::now();
  start_ = Clock::now();
  next_housekeeping_ = start_ + kHousekeeping;
  metrics_.begin();
  if (command_) {
    TRY(command_->release());
    if (command_->pidfd() >= 0) {
      TRY(loop_->add(command_->pidfd(), [this] { is_over_ = true; }));
    }
  }
  return {};
}

void RecordRun::on_signal() {
  const auto signal = signals_->read();
  if (!signal) {
    return;
  }
  is_over_ = true;
  if (command_ && !signal->is_from_terminal) {
    (void)command_->send_signal(signal->number);  // it may have ended meanwhile
  }
}

void RecordRun::on_tick() {
  failure_ = engine_->tick();
  containers_.want(engine_->take_new_containers());
  const auto elapsed = std::chrono::duration_cast<milliseconds>(Clock::now() - start_);
  bar_->show(elapsed, engine_->sample_count());
  if (command_ && command_->poll_exit()) {
    is_over_ = true;  // where there are no pidfds
  }
  if (Clock::now() >= next_housekeeping_) {
    next_housekeeping_ += kHousekeeping;
    housekeep();
  }
}

void RecordRun::housekeep() {
  if (const Result<> kept = engine_->housekeep(); !kept && kept.error().what != last_cpu_problem_) {
    last_cpu_problem_ = kept.error().what;
    LOG_WARNING("{}, continuing without it", last_cpu_problem_);
  }
  metrics_.poll();
  governor_->housekeep(*engine_, command_ ? std::optional(command_->pid()) : std::nullopt);
  tell_problems();
  if (engine_->is_over()) {
    if (!options_.pids.empty() && !engine_->is_given_up()) {
      LOG_INFO("all recorded processes have ended");
    }
    is_over_ = true;
  }
}

void RecordRun::tell_problems() {
  for (const std::string& problem : engine_->take_problems()) {
    LOG_WARNING("{}", problem);
  }
}

Result<> RecordRun::record_until_the_end() {
  std::optional<UniqueFd> end_timer;
  if (options_.duration_s) {
    end_timer = TRY(open_timer(std::chrono::seconds(*options_.duration_s)));
    TRY(loop_->add(end_timer->get(), [this] { is_over_ = true; }));
  }
  while (!is_over_) {
    TRY(loop_->run_once());
    TRY(std::exchange(failure_, {}));
  }
  return {};
}

// As a shell has it.
int shell_status(int wait_status) {
  constexpr int kSignalBase = 128;
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : kSignalBase + WTERMSIG(wait_status);
}

// A command that still runs gets SIGTERM, and a moment to end.
void RecordRun::end_command() {
  if (!command_) {
    return;
  }
  if (!command_->poll_exit()) {
    (void)command_->send_signal(SIGTERM);  // it may have ended meanwhile
    (void)command_->wait_for(kCommandGrace);
  }
  if (const std::optional<int> status = command_->poll_exit()) {
    command_status_ = shell_status(*status);
    return;
  }
  LOG_WARNING("the command (process {}) did not end on SIGTERM, leaving it running",
              command_->pid());
}

std::string RecordRun::why_no_samples(const RecordingFacts& facts) const {
  for (const auto& [tool, state] : facts.tools) {
    if (tool == "perf" && state != "ok") {
      return state;
    }
  }
  if (options_.mode == ProfilingMode::allocation) {
    return "no Java was seen to allocate, try a longer -d or a smaller --alloc-interval";
  }
  if (facts.engine == "none") {
    return "the system was not sampled (--skip-system-profilers-above), and no profiler of a "
           "runtime has told of any";
  }
  return options_.pids.empty() && options_.command.empty() && kernel_filter_of(options_).empty()
             ? "every CPU was idle, try a longer -d"
             : "the selected processes used no CPU time while they were recorded, try a longer -d "
               "or a "
               "higher -F";
}

Result<int> RecordRun::report_result() {
  EngineResult recording = TRY(engine_->finish());
  tell_problems();
  containers_.want(engine_->take_new_containers());
  watch_.reset();
  engine_.reset();
  for (const std::string& warning : recording.warnings) {
    LOG_WARNING("{}", warning);
  }
  ProfileHeader header;
  header.container_names_enabled = containers_.is_on();
  header.application_metadata_enabled = applications_->has_metadata();
  header.profiling_mode = profiling_mode_name(options_.mode);
  metadata_.fill(header, run_arguments_of(options_, options_.duration_s));
  if (options_.has_metrics) {
    header.cpu_avg = metrics_.cpu_average();
    header.mem_avg = metrics_.memory_average();
  }
  header.facts = complete_facts(recording.facts, {.engine_reason = choice_.reason,
                                                  .times = times_,
                                                  .frequency_hz = rate_.frequency,
                                                  .paused_s = rate_.paused_s,
                                                  .command_status = command_status_,
                                                  .cpu_s = std::nullopt});
  header.facts.excluded.insert(header.facts.excluded.begin(), selection_.left_out.begin(),
                               selection_.left_out.end());
  std::ranges::move(governor_->left_out(), std::back_inserter(header.facts.excluded));
  const RecordingFacts& facts = header.facts;
  if (recording.profile.total() == 0 && refusal_) {
    return fail(refusal_->code,
                refusal_->what + "; no profiler of a runtime has told of any stack");
  }
  if (recording.profile.total() == 0) {
    LOG_ERROR("record: no samples: {}; nothing was written", why_no_samples(facts));
    return kExitNoSamples;
  }
  const Profile profile = applications_->tell(
      containers_.name(std::move(recording.profile), ContainerNaming::kPatience),
      ApplicationTelling::kPatience);
  if (const auto problem = containers_.take_problem()) {
    LOG_WARNING("{}", *problem);
  }
  const std::vector<std::string> written =
      TRY(write_outputs(options_.outputs, profile, header, title_of(options_), times_.end));
  if (!options_.is_quiet) {
    const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
    fmt::print(
        stderr, "{}",
        render_summary(profile, facts, {.has_colour = is_terminal, .written_paths = written}));
  }
  return kExitOk;
}

Result<int> RecordRun::run() {
  selection_ = TRY(find_selection(options_));
  if (options_.is_dry_run) {
    return show_selected();
  }
  signals_ = TRY(StopSignals::open());
  TRY(metadata_.prepare());
  applications_.emplace(options_);  // its thread is none that a signal may end us by
  applications_->take_told(metadata_.take_told());
  TRY(prepare());
  bar_.emplace(!options_.is_quiet, options_.duration_s
                                       ? std::optional(std::chrono::seconds(*options_.duration_s))
                                       : std::nullopt);
  TRY(select_targets());
  TRY(start());
  TRY(record_until_the_end());
  EngineGovernor::hurry(*engine_);
  TRY(engine_->stop());
  rate_ = governor_->take_rate(*engine_);
  times_.end = std::chrono::system_clock::now();
  bar_->clear();
  StopSignals::let_interrupt_end_us();
  end_command();
  return report_result();
}

}  // namespace

int run_record(const RecordOptions& options) {
  set_log_level(options.is_quiet     ? LogLevel::error
                : options.is_verbose ? LogLevel::debug
                                     : LogLevel::info);
  RecordRun run(options);
  const Result<int> status = run.run();
  return status ? *status : report(status.error());
}

}  // namespace waggle
