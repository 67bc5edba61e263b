// SPDX-License-Identifier: Apache-2.0
// What following every process of the host costs: process_stream_bench [SECONDS].
//   idle    50 execs a second: from the kernel's record to the reader, median and p99
//   storm   1,000 execs a second: CPU time of the reader, records, bytes held
//   table   records a second into the table, without a kernel
//   scan    the processes of this host by stat
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "userspace/attach/process_stream.h"
#include "userspace/process/process_table.h"

namespace waggle {
namespace {

std::uint64_t now_ns() {
  return TableClock::now().monotonic_ns;
}

// CPU time of this thread.
double cpu_seconds() {
  rusage usage{};
  CHECK(::getrusage(RUSAGE_THREAD, &usage) == 0);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Starts /bin/true `per_second` times a second until the object dies.
class Starter {
 public:
  explicit Starter(int per_second) : thread_([this, per_second] { run(per_second); }) {}
  Starter(const Starter&) = delete;
  Starter& operator=(const Starter&) = delete;
  ~Starter() {
    is_done_ = true;
    thread_.join();
  }
  [[nodiscard]] int count() const { return count_; }

 private:
  void run(int per_second) {
    const std::uint64_t begin_ns = now_ns();
    while (!is_done_) {
      std::string name = "true";
      char* arguments[] = {name.data(), nullptr};
      pid_t pid = 0;
      CHECK(::posix_spawn(&pid, "/bin/true", nullptr, nullptr, arguments, environ) == 0);
      CHECK(::waitpid(pid, nullptr, 0) == pid);
      ++count_;
      const std::uint64_t due_ns = begin_ns + static_cast<std::uint64_t>(count_) * 1'000'000'000 /
                                                  static_cast<std::uint64_t>(per_second);
      const std::uint64_t time_ns = now_ns();
      if (due_ns > time_ns) {
        ::usleep(static_cast<useconds_t>((due_ns - time_ns) / 1000));
      }
    }
  }

  std::atomic<bool> is_done_ = false;
  std::atomic<int> count_ = 0;
  std::thread thread_;
};

void follow(ProcessStream& stream, int per_second, int seconds, const char* title) {
  ProcessTable table{ProcFs()};
  CHECK(table.scan());
  std::vector<pollfd> polled;
  for (const int fd : stream.fds()) {
    polled.push_back({fd, POLLIN, 0});
  }
  stream.drain([](const ProcessRecord&) {});
  std::vector<std::uint64_t> delays_ns;
  std::uint64_t record_count = 0;
  std::uint64_t lost_count = 0;
  const double cpu_before = cpu_seconds();
  const std::uint64_t begin_ns = now_ns();
  std::uint64_t advanced_ns = begin_ns;
  Starter starter(per_second);  // NOLINT(misc-const-correctness): its thread changes it
  while (now_ns() < begin_ns + static_cast<std::uint64_t>(seconds) * 1'000'000'000) {
    (void)::poll(polled.data(), polled.size(), 100);
    const std::uint64_t woken_ns = now_ns();
    bool is_first = true;
    stream.drain([&](const ProcessRecord& record) {
      std::visit(
          [&](const auto& known) {
            if (is_first && known.time_ns < woken_ns) {
              delays_ns.push_back(woken_ns - known.time_ns);
            }
          },
          record);
      is_first = false;
      ++record_count;
      lost_count += std::holds_alternative<LostRecord>(record);
      table.apply(record);
    });
    if (woken_ns - advanced_ns > 1'000'000'000) {
      advanced_ns = woken_ns;
      table.advance();
    }
  }
  const double elapsed = static_cast<double>(now_ns() - begin_ns) / 1e9;
  const double cpu = cpu_seconds() - cpu_before;
  std::ranges::sort(delays_ns);
  CHECK(!delays_ns.empty());
  fmt::print(
      "{}: {:.0f} execs/s, {} records, {} losses; record to reader: median {} us, p99 {} us, "
      "max {} us; reader {:.2f} % of a CPU; table {} KiB for {} processes, {} gone early\n",
      title, starter.count() / elapsed, record_count, lost_count,
      delays_ns[delays_ns.size() / 2] / 1000, delays_ns[delays_ns.size() * 99 / 100] / 1000,
      delays_ns.back() / 1000, 100 * cpu / elapsed, table.size_bytes() / 1024,
      table.process_count(), table.counters().forgotten_processes);
}

// fork, exec, 4 mappings, exit: what /bin/true does.
void feed_table() {
  constexpr std::uint32_t kProcesses = 200'000;
  ProcessTable table{ProcFs()};
  std::uint64_t time_ns = now_ns();
  const std::uint64_t begin_ns = time_ns;
  std::uint64_t record_count = 0;
  const auto apply = [&](const ProcessRecord& record) {
    table.apply(record);
    ++record_count;
  };
  apply(ExecRecord{time_ns, 1, 1, "init"});
  for (std::uint32_t i = 0; i < kProcesses; ++i) {
    const std::uint32_t pid = 2 + i % 30'000;
    apply(ForkRecord{++time_ns, pid, pid, 1, 1});
    apply(ExecRecord{++time_ns, pid, pid, "true"});
    MapRecord map{};
    map.pid = map.tid = pid;
    map.size_bytes = 0x1000;
    map.inode = 77;
    for (std::uint64_t m = 0; m < 4; ++m) {
      map.time_ns = ++time_ns;
      map.start = (5 - m) << 20;
      map.path = m == 0 ? "/usr/bin/true" : "/usr/lib/x86_64-linux-gnu/libc.so.6";
      apply(map);
    }
    apply(ExitRecord{++time_ns, pid, pid, 1});
  }
  const auto elapsed_ns = static_cast<double>(now_ns() - begin_ns);
  fmt::print("table: {:.2f} million records/s, {:.0f} ns each, {} KiB at the end\n",
             static_cast<double>(record_count) * 1e3 / elapsed_ns,
             elapsed_ns / static_cast<double>(record_count), table.size_bytes() / 1024);
}

void scan_host() {
  const std::uint64_t begin_ns = now_ns();
  ProcessTable table{ProcFs()};
  CHECK(table.scan());
  const std::uint64_t elapsed_ns = now_ns() - begin_ns;
  fmt::print("scan: {} processes, {:.1f} us each\n", table.process_count(),
             static_cast<double>(elapsed_ns) / 1e3 / static_cast<double>(table.process_count()));
}

}  // namespace
}  // namespace waggle

int main(int argc, char** argv) {
  const auto seconds = waggle::parse_number<int>(argc > 1 ? argv[1] : "5");
  auto stream = waggle::ProcessStream::open();
  if (!seconds || !stream) {
    fmt::print(stderr, "{}\n",
               stream ? "usage: process_stream_bench [SECONDS]" : stream.error().what);
    return stream ? 2 : 3;
  }
  waggle::scan_host();
  waggle::feed_table();
  waggle::follow(*stream, 50, *seconds, "idle");
  waggle::follow(*stream, 1000, *seconds, "storm");
  return 0;
}
