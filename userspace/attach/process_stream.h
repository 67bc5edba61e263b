// SPDX-License-Identifier: Apache-2.0
// The kernel's own account of who forks, execs, maps code and exits, on the whole host, from one
// dummy software event per CPU.  Not for keeping it (userspace/process/process_table.h).
#pragma once

#include <linux/perf_event.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "userspace/attach/perf_ring.h"
#include "userspace/attach/process_records.h"

namespace waggle {

struct ProcessStreamOptions {
  // Per CPU, a power of two of pages; one page of metadata comes on top.  An exec with its fork,
  // mappings and exit is about 600 bytes, so 128 KiB hold 200 of them: 100 ms of a reader that
  // sleeps while a CPU does 2,000 execs a second.  64 CPUs: 8.3 MiB.
  std::size_t ring_bytes = std::size_t{128} * 1024;
};

// One thread.  Destruction closes the events; nothing stays behind.
//
// Order: records of all CPUs come by time, and a record never comes before one that caused it (a
// fork before all of its child, an exec before its mappings).  drain() leaves what is newer than
// its own begin in the rings: whatever caused a record older than that was written before that. So
// a record of a pid that was never seen to fork means a loss or a process older than the stream.
class ProcessStream {
 public:
  using Callback = std::function<void(const ProcessRecord&)>;

  // Errc::unsupported outside the initial pid namespace: pids would not be those BPF sees.
  // Otherwise the errors of open_perf_event() and PerfRing::map().
  static Result<ProcessStream> open(const ProcessStreamOptions& options = {});

  // For epoll (EPOLLIN): each becomes readable with every record.  They change in refresh_cpus().
  [[nodiscard]] std::vector<int> fds() const;

  // Reports all records up to now; texts are valid during the call only.  To resolve a sample,
  // drain first: what the sample depends on is then reported.
  // A ring that overflowed is reported as LostRecord when its next record comes.
  void drain(const Callback& callback);

  // Closes the events of CPUs that went away (after a last drain), opens those of CPUs that came or
  // came back.  A new CPU may have run processes before: LostRecord with count 0.  A CPU that was
  // off and on between two calls is noticed too.
  // On an error the CPUs that work stay.
  Result<> refresh_cpus(const Callback& callback);

  // Records that broke their own layout, and rings whose positions made no sense.  0 on a sane
  // kernel.
  [[nodiscard]] std::uint64_t malformed_count() const;

 private:
  struct CpuEvent {
    int cpu;
    UniqueFd fd;
    PerfRing ring;                 // unmapped before the event is closed
    std::uint64_t enabled_ns = 0;  // at the last look
    std::uint64_t looked_ns = 0;
  };
  struct Head {  // the oldest unread record of a CPU
    std::uint64_t time_ns;
    std::size_t index;  // in cpus_
    bool operator>(const Head& other) const { return time_ns > other.time_ns; }
  };

  explicit ProcessStream(const ProcessStreamOptions& options) : options_(options) {}

  Result<CpuEvent> open_cpu(int cpu);
  static bool is_alive(CpuEvent& event);
  void push_head(std::size_t index, std::uint64_t until_ns);

  ProcessStreamOptions options_;
  std::vector<CpuEvent> cpus_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;  // empty between drains
  std::uint64_t malformed_count_ = 0;
};

}  // namespace waggle
