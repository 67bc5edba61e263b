// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/agent.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/log.h"
#include "userspace/cli/agent_checks.h"
#include "userspace/cli/agent_health.h"
#include "userspace/cli/agent_options.h"
#include "userspace/cli/agent_sessions.h"
#include "userspace/cli/agent_signals.h"
#include "userspace/cli/exit_status.h"
#include "userspace/cli/record_selection.h"
#include "userspace/cli/settings.h"
#include "userspace/cli/verbs.h"
#include "userspace/cli/version.h"
#include "userspace/output/session_files.h"

namespace waggle {

namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

struct ReadSettings {
  Settings settings;
  AgentOptions options;
};

// Once more on SIGHUP, when the file may be another one.
Result<ReadSettings> read_settings(std::span<const std::string> arguments) {
  const ParsedArguments given = TRY(parse_arguments(agent_syntax(), arguments));
  const SettingSources sources = TRY(read_sources(given.find("config")));
  Settings settings = TRY(merge_settings(agent_syntax(), arguments, sources));
  auto options = read_agent_options(settings.values);
  if (!options) {
    return std::unexpected(settings.place(std::move(options).error()));
  }
  return ReadSettings{.settings = std::move(settings), .options = *std::move(options)};
}

// A file with our pid, removed at the end where it still has it.
class PidFile {
 public:
  explicit PidFile(std::string path) : path_(std::move(path)) {
    const std::string text = fmt::format("{}\n", ::getpid());
    Result<> written = make_directories(directory_of(path_));
    if (written) {
      written = write_file_atomically(path_, text);
    }
    if (!written) {
      LOG_WARNING("{}, continuing without a pid file", written.error().what);
    }
  }
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  ~PidFile() { remove(); }

  // On any thread, any number of times.
  void remove() const {
    constexpr std::size_t kMaxBytes = 64;
    const auto text = read_file(path_, kMaxBytes);
    if (text && *text == fmt::format("{}\n", ::getpid())) {
      (void)::unlink(path_.c_str());  // a file that is left does no harm
    }
  }

 private:
  std::string path_;
};

void touch(const std::string& path) {
  if (path.empty()) {
    return;
  }
  const auto file = open_file(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (!file || ::futimens(file->get(), nullptr) != 0) {
    LOG_WARNING("{}, continuing without a heartbeat file",
                file ? fail_errno(path, errno).error().what : file.error().what);
  }
}

// An option that SIGHUP reads again; all others hold until the next start.
struct ReadAgain {
  std::string_view option;
  void (*take)(RecordOptions& options, const RecordOptions& read);
};

constexpr auto kReadAgain = std::to_array<ReadAgain>({
    {"pids", [](RecordOptions& options, const RecordOptions& read) { options.pids = read.pids; }},
    {"cgroup",
     [](RecordOptions& options, const RecordOptions& read) { options.cgroups = read.cgroups; }},
    {"cgroup-exclude",
     [](RecordOptions& options, const RecordOptions& read) {
       options.excluded_cgroups = read.excluded_cgroups;
     }},
    {"container", [](RecordOptions& options,
                     const RecordOptions& read) { options.containers = read.containers; }},
    {"comm", [](RecordOptions& options, const RecordOptions& read) { options.comms = read.comms; }},
    {"frequency", [](RecordOptions& options,
                     const RecordOptions& read) { options.frequency_hz = read.frequency_hz; }},
});

// Options that are not read again, and differ.
std::vector<std::string> fixed_differences(const ParsedArguments& before,
                                           const ParsedArguments& after) {
  std::vector<std::string> names;
  for (const Option& option : agent_syntax().options) {
    const bool is_read =
        std::ranges::find(kReadAgain, option.name, &ReadAgain::option) != kReadAgain.end();
    if (!is_read && !std::ranges::equal(before.all(option.name), after.all(option.name))) {
      names.emplace_back(option.name);
    }
  }
  return names;
}

// One run of `waggle agent`, from checked options on.
class AgentRun {
 public:
  // `counters` outlive it.
  AgentRun(std::span<const std::string> arguments, ReadSettings settings, SessionCounters& counters)
      : arguments_(arguments),
        counters_(counters),
        settings_(std::move(settings)),
        options_(settings_.options),
        health_(ServiceManager::from_environment()) {}

  Result<> run(AgentSignals& signals);

 private:
  Result<> watch_controller();
  Result<> start(AgentSignals& signals);
  void on_boundary();
  void on_signal(AgentSignals& signals);
  void reload();
  void read_again();
  void tell_state() const;

  std::span<const std::string> arguments_;
  SessionCounters& counters_;
  ReadSettings settings_;
  const AgentOptions& options_;
  std::optional<EventLoop> loop_;
  UniqueFd controller_;
  UniqueFd boundary_;
  std::optional<AgentSessions> sessions_;
  AgentHealth health_;
  bool is_over_ = false;
};

Result<> AgentRun::watch_controller() {
  if (!options_.controller_pid) {
    return {};
  }
  const pid_t pid = *options_.controller_pid;
  controller_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!controller_.is_open()) {
    return fail_errno(fmt::format("Controller process {} is not running", pid), errno);
  }
  return loop_->add(controller_.get(), [this, pid] {
    LOG_INFO("Controller process {} has exited; waggle stopping...", pid);
    loop_->remove(controller_.get());
    is_over_ = true;
  });
}

Result<> AgentRun::start(AgentSignals& signals) {
  loop_ = TRY(EventLoop::open());
  TRY(loop_->add(signals.fd(), [this, &signals] { on_signal(signals); }));
  TRY(watch_controller());
  if (auto made = make_directories(options_.output_dir); !made) {
    return made;
  }
  if (options_.metrics_address) {
    TRY(health_.listen(*options_.metrics_address));
  }
  sessions_.emplace(options_, *loop_, counters_, [&signals] { return signals.is_ending(); });
  touch(options_.heartbeat_file);
  TRY(sessions_->start());
  // Its ends come from the clock: n times the duration after now, whatever happens meanwhile.
  boundary_ = TRY(open_timer(std::chrono::seconds(options_.duration_s)));
  return loop_->add(boundary_.get(), [this] { on_boundary(); });
}

void AgentRun::on_boundary() {
  std::uint64_t ends = 0;
  if (::read(boundary_.get(), &ends, sizeof(ends)) != static_cast<ssize_t>(sizeof(ends))) {
    return;
  }
  counters_.late += ends - 1;  // one session stands for all of them
  touch(options_.heartbeat_file);
  sessions_->turn();
  tell_state();
}

void AgentRun::tell_state() const {
  health_.manager().tell_status(
      fmt::format("{}, {} sessions written", sessions_->state_text(), counters_.written.load()));
}

void AgentRun::on_signal(AgentSignals& signals) {
  signals.read();
  if (signals.take_reload()) {
    reload();
  }
  is_over_ |= signals.is_ending();
}

void AgentRun::reload() {
  health_.manager().tell_reloading();
  read_again();
  health_.manager().tell_ready(sessions_->state_text());
}

void AgentRun::read_again() {
  auto read = read_settings(arguments_);
  if (!read) {
    LOG_ERROR("{}: continuing with the configuration as it was", read.error().what);
    return;
  }
  for (const std::string& name :
       fixed_differences(settings_.settings.values, read->settings.values)) {
    LOG_WARNING("--{} has changed, continuing with what it was until the next start", name);
  }
  AgentOptions changed = options_;
  for (const ReadAgain& again : kReadAgain) {
    again.take(changed.recording, read->options.recording);
  }
  sessions_->change(changed);
  LOG_INFO("selection and frequency were read again, they hold from the next session on");
}

// Of the time that an end has (AgentSignals::kEndTime), for tools to end and to wait for names;
// what of it tools have at most, and names at least.  The rest is for files.
constexpr std::chrono::milliseconds kNameTime(600);
constexpr std::chrono::milliseconds kToolTime(500);
constexpr std::chrono::milliseconds kLeastNameTime(100);

Result<> AgentRun::run(AgentSignals& signals) {
  TRY(start(signals));
  LOG_INFO("sampling at {} Hz, sessions of {} s", sessions_->frequency_hz(), options_.duration_s);
  health_.manager().tell_ready(sessions_->state_text());
  constexpr std::chrono::milliseconds kBeat(250);
  while (!is_over_) {
    health_.publish(*sessions_, counters_);
    TRY(loop_->run_once(kBeat));
  }
  health_.manager().tell_stopping();
  signals.begin_end();
  LOG_INFO("stopping");
  const auto begin = std::chrono::steady_clock::now();
  const Result<> stopped = sessions_->stop(kToolTime);
  const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  sessions_->finish_files(std::max(kNameTime - taken, kLeastNameTime));
  sessions_.reset();
  return stopped;
}

int report(const Error& error) {
  LOG_ERROR("agent: {}", error.what);
  return kExitFailure;
}

void open_log(const AgentOptions& options) {
  const Result<> made = make_directories(directory_of(options.log_file));
  const Result<> opened = made ? open_log_file({.path = options.log_file,
                                                .max_bytes = options.log_max_bytes,
                                                .old_count = options.log_old_count})
                               : made;
  if (!opened) {
    LOG_WARNING("{}, continuing without a log file", opened.error().what);
  }
}

int show_selected(const AgentOptions& options) {
  const auto show = [&]() -> Result<> {
    const Selection selection = TRY(find_selection(options.recording));
    return write_all(STDOUT_FILENO, TRY(list_selected(options.recording, selection)));
  };
  const Result<> shown = show();
  return shown ? kExitOk : report(shown.error());
}

// gProfiler's order and statuses.
int run_agent(std::span<const std::string> arguments, ReadSettings read) {
  const AgentOptions options = read.options;
  if (const Result<> user = check_user(options.is_rootless); !user) {
    return report(user.error());
  }
  if (options.checks_pid_namespace) {
    if (const Result<> checked = check_pid_namespace(); !checked) {
      return report(checked.error());
    }
  }
  const auto lock = AgentLock::take(options.lock_name);
  if (!lock) {
    const int status = report(lock.error());
    return lock.error().code == Errc::exhausted ? kExitOk : status;
  }
  std::unique_ptr<PidFile> pid_file;
  SessionCounters counters;
  auto signals = AgentSignals::start([&pid_file, &counters] {
    const std::uint64_t lost = counters.unended;
    if (lost != 0) {
      LOG_ERROR("something does not end in time, leaving without it; sessions lost: {}", lost);
    } else {
      LOG_WARNING("something does not end in time, leaving without it; no session is lost");
    }
    if (pid_file) {
      pid_file->remove();
    }
    return lost != 0 ? kExitFailure : kExitOk;
  });
  if (!signals) {
    return report(signals.error());
  }
  constexpr mode_t kOthersRead = 022;
  ::umask(kOthersRead);
  open_log(options);
  LOG_INFO("Running waggle {}", program_version());
  if (options.recording.mode == ProfilingMode::none) {
    LOG_ERROR("All profilers are disabled! Please enable at least one of them!");
    return kExitFailure;
  }
  if (options.disables_core_files) {
    const rlimit none{};
    (void)::setrlimit(RLIMIT_CORE, &none);  // less than what holds is always allowed
  }
  pid_file = std::make_unique<PidFile>(options.pid_file);
  AgentRun run(arguments, std::move(read), counters);
  const Result<> result = run.run(**signals);
  return result ? kExitOk : report(result.error());
}

}  // namespace

int agent_main(std::span<const std::string> arguments) {
  auto read = read_settings(arguments);
  if (!read) {
    return report_usage_error("agent", read.error());
  }
  const AgentOptions& options = read->options;
  set_log_level(options.recording.is_quiet     ? LogLevel::error
                : options.recording.is_verbose ? LogLevel::debug
                                               : LogLevel::info);
  if (options.prints_config) {
    fmt::print("{}", read->settings.text());
    return kExitOk;
  }
  if (options.recording.is_dry_run) {
    return show_selected(options);
  }
  return run_agent(arguments, *std::move(read));
}

}  // namespace waggle
