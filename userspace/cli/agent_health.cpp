// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/agent_health.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "bpf/abi/stats.h"
#include "userspace/cli/recording_report.h"
#include "userspace/cli/version.h"
#include "userspace/health/metrics_text.h"

namespace waggle {

namespace {

constexpr auto kTextInterval = std::chrono::seconds(1);

double entries_of(const char* directory) {
  std::error_code gone;
  const std::filesystem::directory_iterator entries(directory, gone);
  return gone ? 0 : static_cast<double>(std::distance(entries, {}));
}

// proc_pid_statm(5): the second number, in pages.
double resident_bytes() {
  constexpr std::size_t kMaxBytes = 256;
  const std::string text = read_file("/proc/self/statm", kMaxBytes).value_or("");
  const auto fields = split(text, ' ');
  const auto pages = fields.size() > 1 ? parse_number<std::uint64_t>(fields[1]) : std::nullopt;
  return static_cast<double>(pages.value_or(0) *
                             static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

double child_count() {
  double count = 0;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", gone)) {
    constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
    const std::string text = read_file(task.path().string() + "/children", kMaxBytes).value_or("");
    for (const std::string_view child : split(text, ' ')) {
      count += child.empty() ? 0 : 1;
    }
  }
  return count;
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
  metrics.counter("cpu_seconds", "CPU time of this process, user and system", own_cpu_seconds());
  metrics.gauge("resident_bytes", "resident memory of this process", resident_bytes());
  metrics.gauge("open_descriptors", "open file descriptors", entries_of("/proc/self/fd"));
  metrics.gauge("threads", "threads of this process", entries_of("/proc/self/task"));
  metrics.gauge("children", "child processes", child_count());
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
