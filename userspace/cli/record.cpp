// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/record.h"

#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/held_command.h"
#include "base/log.h"
#include "base/text.h"
#include "bpf/abi/select.h"
#include "userspace/attach/privileges.h"
#include "userspace/cli/exit_status.h"
#include "userspace/cli/progress_bar.h"
#include "userspace/cli/recording_report.h"
#include "userspace/cli/stop_signals.h"
#include "userspace/output/terminal_summary.h"
#include "userspace/recorder.h"

namespace waggle {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// What runs from the start is looked at early: what it has mapped may be gone a second later.
constexpr milliseconds kFirstTick(100);
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
  std::string name(256, '\0');
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.c_str() : "this host";
}

// One run of `waggle record`, from checked options to written files.
class RecordRun {
 public:
  explicit RecordRun(const RecordOptions& options)
      : options_(options), frequency_hz_(options.frequency_hz) {}

  Result<int> run();

 private:
  Result<> lower_frequency();
  Result<> prepare();
  Result<> select_targets();
  Result<> start();
  Result<> record_until_the_end();
  void on_signal();
  void on_tick();
  void housekeep();
  void tell_problems();
  void end_command();
  Result<int> report_result();

  const RecordOptions& options_;
  int frequency_hz_;
  std::optional<StopSignals> signals_;
  std::optional<EventLoop> loop_;
  UniqueFd timer_;
  std::unique_ptr<Recorder> recorder_;
  std::optional<HeldCommand> command_;
  std::optional<int> command_status_;
  std::optional<ProgressBar> bar_;
  RecordingTimes times_;
  Clock::time_point start_;
  Clock::time_point next_housekeeping_;
  bool is_over_ = false;
  Result<> failure_;              // of a handler
  std::string last_cpu_problem_;  // said once
};

// The kernel's limit is for the whole host: asking for more fails.
Result<> RecordRun::lower_frequency() {
  const int limit = TRY(max_sample_rate());
  if (frequency_hz_ > limit) {
    LOG_WARNING(
        "-F {} is above kernel.perf_event_max_sample_rate, sampling at {} Hz (raise it with: "
        "sysctl "
        "kernel.perf_event_max_sample_rate={})",
        frequency_hz_, limit, frequency_hz_);
    frequency_hz_ = limit;
  }
  return {};
}

Result<> RecordRun::prepare() {
  TRY(lower_frequency());
  const bool is_filtered = !options_.pids.empty() || !options_.command.empty();
  recorder_ = TRY(Recorder::prepare(
      {.frequency = frequency_hz_,
       .is_pid_filtered = is_filtered,
       .follows_children = options_.with_children || !options_.command.empty(),
       .counts_threads = options_.has_thread_frames,
       .has_python_lines = options_.has_python_lines,
       .keeps_python_loops = options_.has_python_eval_frames,
       .ring_bytes = std::size_t{options_.ring_size_kib} * 1024},
      {.prepares_running = options_.command.empty()},
      {.is_walked = options_.has_python, .max_processes = options_.max_python_processes}));
  if (!options_.pin_dir.empty()) {
    if (const Result<> pinned = recorder_->pin(options_.pin_dir); !pinned) {
      LOG_WARNING("--pin: {}, continuing without pins", pinned.error().what);
    }
  }
  return {};
}

// The process of a thread id, as perf has it; nothing when there is neither.
std::optional<pid_t> process_of(pid_t pid) {
  const Result<std::string> status = read_file(fmt::format("/proc/{}/status", pid), 65536);
  const std::string_view key = "\nTgid:\t";
  const std::size_t at = status ? status->find(key) : std::string::npos;
  if (at == std::string::npos) {
    return std::nullopt;
  }
  const std::string_view rest = std::string_view(*status).substr(at + key.size());
  return parse_number<pid_t>(rest.substr(0, rest.find('\n')));
}

Result<> RecordRun::select_targets() {
  if (!options_.command.empty()) {
    command_.emplace(TRY(HeldCommand::fork(options_.command)));
    return recorder_->select_pid(command_->pid());
  }
  std::size_t found = 0;
  for (const pid_t pid : options_.pids) {
    const std::optional<pid_t> process = process_of(pid);
    if (!process) {
      LOG_WARNING("process {} does not exist, skipping it", pid);
      continue;
    }
    if (*process != pid) {
      LOG_WARNING("{} is a thread of process {}, recording that process", pid, *process);
    }
    TRY(recorder_->select_pid(*process));
    ++found;
  }
  if (found == 0 && !options_.pids.empty()) {
    return fail(Errc::not_found, "none of the processes of --pids exists (see: ps -e)");
  }
  return {};
}

Result<> RecordRun::start() {
  loop_ = TRY(EventLoop::open());
  const milliseconds interval = recorder_->tick_interval();
  timer_ = TRY(open_timer(std::min(kFirstTick, interval), interval));
  TRY(loop_->add(signals_->fd(), [this] { on_signal(); }));
  TRY(loop_->add(timer_.get(), [this] { on_tick(); }));
  TRY(recorder_->start());
  for (const int fd : recorder_->fds()) {
    TRY(loop_->add(fd, [this] { failure_ = recorder_->on_readable(); }));
  }
  times_.start = std::chrono::system_clock::now();
  start_ = Clock::now();
  next_housekeeping_ = start_ + kHousekeeping;
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
  drain_timer(timer_.get());
  failure_ = recorder_->tick();
  const auto elapsed = std::chrono::duration_cast<milliseconds>(Clock::now() - start_);
  const Result<cpu_stats> stats = recorder_->stats();
  bar_->show(elapsed, stats ? stats->samples : 0);
  if (command_ && command_->poll_exit()) {
    is_over_ = true;  // where there are no pidfds
  }
  if (Clock::now() >= next_housekeeping_) {
    next_housekeeping_ += kHousekeeping;
    housekeep();
  }
}

void RecordRun::housekeep() {
  if (const Result<> kept = recorder_->housekeep();
      !kept && kept.error().what != last_cpu_problem_) {
    last_cpu_problem_ = kept.error().what;
    LOG_WARNING("{}, continuing without it", last_cpu_problem_);
  }
  tell_problems();
  if (!options_.pids.empty() && recorder_->selected_count() == 0) {
    LOG_INFO("all recorded processes have ended");
    is_over_ = true;
  }
}

void RecordRun::tell_problems() {
  for (const auto& [file, reason] : recorder_->take_table_problems()) {
    LOG_WARNING("{}: {}, continuing with frame pointers there", file, reason);
  }
  for (const auto& [subject, reason] : recorder_->take_python_problems()) {
    LOG_WARNING("{}: {}, continuing with native frames there", subject, reason);
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

Result<int> RecordRun::report_result() {
  const Recording recording = TRY(recorder_->finish());
  tell_problems();
  recorder_.reset();
  const auto& mappings = recording.mappings;
  LOG_DEBUG("mappings: processes fed {} times, {} refused, {} with more than {} mappings",
            mappings.fed, mappings.refused, mappings.cut, MappingFeeder::kMaxRows);
  const auto& tables = recording.tables;
  LOG_DEBUG(
      "unwind tables: {} compiled ({} of them again), {} files without, {} refused, {} times no "
      "room, {} evicted, {} malformed functions, {} rows without a rule",
      tables.compiled, tables.again, tables.without, tables.refused, tables.no_room, tables.evicted,
      tables.malformed, tables.no_rule);
  if (recording.kernel_names_problem) {
    LOG_WARNING("kernel functions have no names: {}", recording.kernel_names_problem->what);
  }
  if (recording.stats.children_not_followed != 0) {
    LOG_WARNING("{} children were not followed: more than {} processes at once",
                recording.stats.children_not_followed, std::uint32_t{SEL_MAX_PIDS});
  }
  const RecordingFacts facts = make_facts(recording, times_, frequency_hz_, command_status_);
  if (recording.profile.total() == 0) {
    LOG_ERROR("record: no samples: {}; nothing was written",
              options_.pids.empty() && options_.command.empty()
                  ? "every CPU was idle, try a longer -d"
                  : "the processes used no CPU time while they were recorded, try a longer -d or a "
                    "higher -F");
    return kExitNoSamples;
  }
  const std::vector<std::string> written = TRY(
      write_outputs(options_.outputs, recording.profile, facts, title_of(options_), times_.end));
  if (!options_.is_quiet) {
    const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
    fmt::print(stderr, "{}",
               render_summary(recording.profile, facts,
                              {.has_colour = is_terminal, .written_paths = written}));
  }
  return kExitOk;
}

Result<int> RecordRun::run() {
  signals_ = TRY(StopSignals::open());
  TRY(check_can_sample());
  TRY(check_outputs(options_.outputs));
  TRY(prepare());
  bar_.emplace(!options_.is_quiet, options_.duration_s
                                       ? std::optional(std::chrono::seconds(*options_.duration_s))
                                       : std::nullopt);
  TRY(select_targets());
  TRY(start());
  TRY(record_until_the_end());
  TRY(recorder_->stop());
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
  if (options.engine == Engine::fallback) {
    LOG_ERROR("record: --engine fallback is not there yet (use --engine ebpf or auto)");
    return kExitPrivilege;
  }
  RecordRun run(options);
  const Result<int> status = run.run();
  return status ? *status : report(status.error());
}

}  // namespace waggle
