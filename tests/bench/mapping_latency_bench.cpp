// SPDX-License-Identifier: Apache-2.0
// How long the kernel side does not know a new mapping: mapping_latency_bench [MAPPINGS [HOGS]].
// A sampled process maps a page of code every 10 ms; the time is from its mmap(2) until
// proc_mappings has it, beside HOGS busy processes for each CPU (0).
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>  // IWYU pragma: keep (placement new)
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "userspace/recorder.h"

namespace waggle {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t now_ns() {
  return Clock::now().time_since_epoch().count();
}

template <class Work>
pid_t start_child(Work work) {
  const pid_t pid = ::fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    ::_exit(0);
  }
  return pid;
}

void burn_until(std::int64_t end_ns) {
  while (now_ns() < end_ns) {
  }
}

// Busy all the time, so that it is sampled; `mapped_ns` is when its latest mmap began.
void map_for_ever(std::atomic<std::int64_t>& mapped_ns) {
  const UniqueFd self = open_file("/proc/self/exe", O_RDONLY).value();
  constexpr std::int64_t kPauseNs = 10'000'000;
  for (;;) {
    burn_until(now_ns() + kPauseNs);
    mapped_ns = now_ns();
    CHECK(::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, self.get(), 0) != MAP_FAILED);
  }
}

// The latencies of `count` mappings, sorted, in microseconds.
std::vector<double> measure(Recorder& recorder, std::size_t count,
                            const std::atomic<std::int64_t>& mapped_ns) {
  std::vector<pollfd> polled;
  for (const int fd : recorder.fds()) {
    polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  }
  std::vector<double> latencies_us;
  std::int64_t last_ns = 0;
  std::int64_t next_tick_ns = 0;
  while (latencies_us.size() < count) {
    (void)::poll(polled.data(), polled.size(), 100);
    const std::uint64_t fed = recorder.mapping_counters().fed;
    CHECK(recorder.on_readable());
    if (recorder.mapping_counters().fed != fed && mapped_ns != last_ns) {
      last_ns = mapped_ns;
      latencies_us.push_back(static_cast<double>(now_ns() - last_ns) / 1e3);
    }
    if (now_ns() > next_tick_ns) {
      CHECK(recorder.tick());
      next_tick_ns = now_ns() + 1'000'000'000;
    }
  }
  std::ranges::sort(latencies_us);
  return latencies_us;
}

int run(std::size_t count, long hogs) {
  void* shared = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  auto& mapped_ns = *new (shared) std::atomic<std::int64_t>(0);
  auto recorder = Recorder::prepare({.frequency = 499, .is_pid_filtered = true});
  if (!recorder) {
    fmt::print(stderr, "{}\n", recorder.error().what);
    return 77;
  }
  std::vector<pid_t> children{start_child([&] { map_for_ever(mapped_ns); })};
  for (long i = 0; i < hogs * ::sysconf(_SC_NPROCESSORS_ONLN); ++i) {
    children.push_back(start_child([] { burn_until(INT64_MAX); }));
  }
  CHECK((*recorder)->select_pid(children.front()));
  CHECK((*recorder)->start());
  const std::vector<double> latencies_us = measure(**recorder, count, mapped_ns);
  for (const pid_t child : children) {
    (void)::kill(child, SIGKILL);
    (void)::waitpid(child, nullptr, 0);
  }
  fmt::print(
      "mmap to proc_mappings, {} mappings, {} hogs for each CPU: median {:.0f} us, p99 {:.0f} us\n",
      latencies_us.size(), hogs, latencies_us[latencies_us.size() / 2],
      latencies_us[latencies_us.size() * 99 / 100]);
  return 0;
}

}  // namespace
}  // namespace waggle

int main(int argc, char** argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 500;
  const long hogs = argc > 2 ? std::atol(argv[2]) : 0;
  return waggle::run(static_cast<std::size_t>(std::max(count, 1L)), std::max(hogs, 0L));
}
