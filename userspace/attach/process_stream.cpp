// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/process_stream.h"

#include <fmt/core.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "userspace/attach/perf_event.h"
#include "userspace/attach/privileges.h"

namespace waggle {

namespace {

std::uint64_t monotonic_ns() {
  timespec now{};
  CHECK(::clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

Result<> check_pid_namespace() {
  if (!TRY(is_in_initial_pid_namespace())) {
    return fail(Errc::unsupported,
                "not in the host's pid namespace, so pids would be wrong: run on the host, with "
                "--pid=host (docker) or hostPID: true (Kubernetes)");
  }
  return {};
}

// Dummy events count nothing; they only make the kernel write these records.
// No build ids: a record has either a build id, which any user can forge, or device and inode,
// which nobody can (docs/adr/0007).
perf_event_attr describe_event() {
  perf_event_attr attr{};
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_DUMMY;
  attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
  attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED;
  attr.mmap = 1;
  attr.mmap2 = 1;
  attr.comm = 1;
  attr.comm_exec = 1;
  attr.task = 1;
  attr.sample_id_all = 1;
  attr.use_clockid = 1;
  attr.clockid = CLOCK_MONOTONIC;
  attr.watermark = 1;
  attr.wakeup_watermark = 1;  // wake at every record: 60 us to the reader instead of a ring's half
  return attr;
}

}  // namespace

Result<ProcessStream> ProcessStream::open(const ProcessStreamOptions& options) {
  TRY(check_pid_namespace());
  ProcessStream stream(options);
  for (const int cpu : TRY(online_cpus())) {
    stream.cpus_.push_back(TRY(stream.open_cpu(cpu)));
  }
  return stream;
}

Result<ProcessStream::CpuEvent> ProcessStream::open_cpu(int cpu) {
  auto fd = open_perf_event(describe_event(), -1, cpu, -1, 0);
  if (!fd) {
    return add_context(fmt::format("process stream on CPU {}", cpu), std::move(fd).error());
  }
  auto ring = PerfRing::map(fd->get(), options_.ring_bytes);
  if (!ring) {
    return add_context(fmt::format("process stream on CPU {}", cpu), std::move(ring).error());
  }
  return CpuEvent{cpu, *std::move(fd), *std::move(ring)};
}

std::vector<int> ProcessStream::fds() const {
  std::vector<int> fds;
  for (const CpuEvent& event : cpus_) {
    fds.push_back(event.fd.get());
  }
  return fds;
}

void ProcessStream::push_head(std::size_t index, std::uint64_t until_ns) {
  const auto bytes = cpus_[index].ring.reader().peek();
  if (!bytes) {
    return;
  }
  const std::uint64_t time_ns = record_time_ns(*bytes);
  if (time_ns <= until_ns) {
    heads_.push({time_ns, index});
  }
}

void ProcessStream::drain(const Callback& callback) {
  const std::uint64_t until_ns = monotonic_ns();
  for (CpuEvent& event : cpus_) {
    event.ring.reader().refresh();
  }
  for (std::size_t index = 0; index < cpus_.size(); ++index) {
    push_head(index, until_ns);
  }
  while (!heads_.empty()) {
    const std::size_t index = heads_.top().index;
    heads_.pop();
    PerfRingReader& reader = cpus_[index].ring.reader();
    const auto bytes = reader.peek();
    CHECK(bytes);
    const auto record = decode_process_record(*bytes, cpus_[index].cpu);
    if (record) {
      callback(*record);
    } else {
      ++malformed_count_;
    }
    reader.pop();
    push_head(index, until_ns);
  }
}

// The event of a CPU that goes offline leaves its context for good, also when the CPU comes back:
// the time it was enabled stands still then.
// Two looks must be apart: the clock is coarse on some hosts.
bool ProcessStream::is_alive(CpuEvent& event) {
  constexpr std::uint64_t kApartNs = 50'000'000;
  const std::uint64_t now_ns = monotonic_ns();
  if (now_ns - event.looked_ns < kApartNs) {
    return true;
  }
  event.looked_ns = now_ns;
  struct {
    std::uint64_t value, enabled_ns;
  } count{};
  if (::read(event.fd.get(), &count, sizeof(count)) != sizeof(count)) {
    return false;
  }
  return std::exchange(event.enabled_ns, count.enabled_ns) != count.enabled_ns;
}

Result<> ProcessStream::refresh_cpus(const Callback& callback) {
  const std::vector<int> online = TRY(online_cpus());
  drain(callback);
  std::erase_if(cpus_, [&](CpuEvent& event) {
    return !std::ranges::binary_search(online, event.cpu) || !is_alive(event);
  });
  Result<> outcome;
  for (const int cpu : online) {
    if (std::ranges::find(cpus_, cpu, &CpuEvent::cpu) != cpus_.end()) {
      continue;
    }
    auto event = open_cpu(cpu);
    if (!event) {
      outcome = std::unexpected(std::move(event).error());
      continue;
    }
    cpus_.push_back(*std::move(event));
    callback(LostRecord{monotonic_ns(), 0, cpu});
  }
  return outcome;
}

std::uint64_t ProcessStream::malformed_count() const {
  std::uint64_t count = malformed_count_;
  for (const CpuEvent& event : cpus_) {
    count += event.ring.resync_count();
  }
  return count;
}

}  // namespace waggle
