// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/agent_health.h"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "bpf/abi/stats.h"
#include "userspace/cli/recording_report.h"
#include "userspace/cli/version.h"
#include "userspace/health/metrics_text.h"
#include "userspace/health/own_cost.h"

namespace waggle {

namespace {

constexpr auto kTextInterval = std::chrono::seconds(1);

double entries_of(const char* directory) {
  std::error_code gone;
  const std::filesystem::directory_iterator entries(directory, gone);
  return gone ? 0 : static_cast<double>(std::distance(entries, {}));
}

void add_kernel_side(const cpu_stats& stats, MetricsText& metrics) {
#define X(kind, name, text) metrics.counter(#name, text, static_cast<double>(stats.name));
  WAGGLE_STATS(X)
#undef X
}

void add_sessions(const AgentSessions& sessions, const SessionCounters& counters,
                  MetricsText& metrics) {
  const auto count = [&](std::string_view name, std::string_view help,
                         const std::atomic<std::uint64_t>& value) {
    metrics.counter(name, help, static_cast<double>(value.load()));
  };
  count("sessions_begun", "sessions begun", counters.begun);
  count("sessions_written", "sessions whose files were written", counters.written);
  count("sessions_unwritten", "sessions lost: their files could not be written",
        counters.unwritten);
  count("sessions_dropped", "sessions lost: too many waited to be written", counters.dropped);
  count("sessions_failed", "sessions lost: they ended before their time, or did not begin",
        counters.failed);
  count("sessions_late", "ends of sessions that were missed", counters.late);
  metrics.gauge("sessions_waiting", "sessions that wait to be written",
                static_cast<double>(sessions.waiting_files()));
  metrics.gauge("sampling", "1 while samples are taken", sessions.is_sampling() ? 1 : 0);
  metrics.gauge("frequency_hertz", "samples per second and CPU", sessions.frequency_hz());
}

void add_own_cost(const EngineFigures& figures, MetricsText& metrics) {
  metrics.gauge("queued_frames", "frames that wait for their names",
                static_cast<double>(figures.queued_frames));
  metrics.gauge("bpf_map_bytes", "memory of BPF maps", static_cast<double>(figures.bpf_map_bytes));
  metrics.counter("unwind_tables_compiled", "unwind tables made",
                  static_cast<double>(figures.tables_compiled));
  metrics.counter("unwind_tables_evicted", "unwind tables that had to go for others",
                  static_cast<double>(figures.tables_evicted));
  metrics.counter("unprepared",
                  "programs and mappings that were left until they are sampled, for the budget",
                  static_cast<double>(figures.unprepared));
  metrics.counter("cpu_seconds", "CPU time of this process, user and system", own_cpu_seconds());
  metrics.gauge("resident_bytes", "resident memory of this process",
                static_cast<double>(own_memory().resident_bytes));
  metrics.gauge("open_descriptors", "open file descriptors", entries_of("/proc/self/fd"));
  metrics.gauge("threads", "threads of this process", entries_of("/proc/self/task"));
  metrics.gauge("children", "child processes", static_cast<double>(child_count()));
}

void add_governor(const EngineGovernor& governor, MetricsText& metrics) {
  const Governor& state = governor.governor();
  const EngineGovernor::Counters& steps = governor.counters();
  const auto count = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    metrics.counter(name, help, static_cast<double>(value));
  };
  metrics.gauge("cpu_budget_percent", "CPU time that all of waggle may take, of one core; 0: any",
                state.budget().cpu_percent.value_or(0));
  metrics.gauge("cpu_cost_percent", "CPU time that it takes, of one core, where there is a budget",
                state.percent());
  metrics.gauge("memory_budget_bytes", "memory that all of waggle may have; 0: any",
                static_cast<double>(state.budget().memory_bytes));
  metrics.gauge("paused", "1 while a budget keeps it from sampling", governor.is_paused() ? 1 : 0);
  metrics.gauge("features_off", "what a budget has switched off",
                static_cast<double>(state.off_count()));
  count("governor_lowered", "times a budget has lowered the frequency", steps.lowered);
  count("governor_raised", "times the frequency was raised again", steps.raised);
  count("governor_switched_off", "times a budget has switched something off", steps.switched_off);
  count("governor_switched_on", "times it was switched on again", steps.switched_on);
  count("governor_pauses", "times a budget has paused sampling", steps.pauses);
  count("governor_forgotten", "times names of files were forgotten for want of memory",
        steps.forgotten);
}

HttpReply plain(int status, std::string body) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(body)};
}

}  // namespace

Result<> AgentHealth::listen(const ListenAddress& address) {
  server_ = TRY(HttpServer::start(address, [this](std::string_view path) { return answer(path); }));
  return {};
}

void AgentHealth::publish(const AgentSessions& sessions, const SessionCounters& counters) {
  const Clock::time_point now = Clock::now();
  beat_ = now;
  is_sampling_ = sessions.is_sampling();
  if (manager_.watchdog() && now >= next_alive_) {
    manager_.tell_alive();
    next_alive_ = now + *manager_.watchdog() / 3;
  }
  if (!server_ || now < next_text_) {
    return;
  }
  next_text_ = now + kTextInterval;
  MetricsText metrics;
  metrics.info("build_info", "the version of this program", "version", program_version());
  add_sessions(sessions, counters, metrics);
  const EngineFigures figures = sessions.figures();
  add_own_cost(figures, metrics);
  add_governor(sessions.governor(), metrics);
  add_kernel_side(figures.stats, metrics);
  const std::scoped_lock lock(mutex_);
  text_ = metrics.text();
}

HttpReply AgentHealth::answer(std::string_view path) {
  const bool is_alive = Clock::now() - beat_.load() < kPatience;
  if (path == "/metrics") {
    const std::scoped_lock lock(mutex_);
    return {
        .status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8", .body = text_};
  }
  if (path == "/healthz") {
    return is_alive ? plain(200, "ok\n") : plain(503, "the main loop does not answer\n");
  }
  if (path == "/readyz") {
    return is_alive && is_sampling_ ? plain(200, "ok\n") : plain(503, "not sampling\n");
  }
  return plain(404, "/metrics, /healthz, /readyz\n");
}

}  // namespace waggle
