// SPDX-License-Identifier: Apache-2.0
// One sampling event for each online CPU, with the program attached, through CPU hotplug.
// Not for what the program does: cpu_sampler.h.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/result.h"
#include "userspace/attach/bpf_handles.h"
#include "userspace/attach/sampling_event.h"

namespace waggle {

class CpuEvents {
 public:
  CpuEvents(const SamplingEvent& event, int frequency);

  // Attaches `program` on every online CPU.  A CPU that goes offline meanwhile is left out.
  Result<> start(bpf_program* program);
  // Attaches on CPUs that came online since, lets go of those that went.  Call it about once a
  // second. The error is of the first CPU that could not be attached; the next call tries again.
  Result<> refresh();
  // From now on this many samples a second; between the old and the new rate a CPU goes without an
  // event for some microseconds.
  Result<> set_frequency(int frequency);
  // No run starts until go_on(), on CPUs that come online neither; runs in progress may still be.
  void pause();
  void go_on();
  // No run starts after this returns; runs in progress may still be.
  void stop();

  [[nodiscard]] const SamplingEvent& event() const { return event_; }
  [[nodiscard]] std::size_t cpu_count() const { return cpus_.size(); }

  // How many runs the kernel has withheld, given how many there were and the sum of their periods:
  // events that the counters counted and no run stands for (throttling, a busy BPF lock, a stopped
  // vCPU).
  [[nodiscard]] std::uint64_t withheld(std::uint64_t runs, std::uint64_t period_sum) const;

 private:
  struct CpuEvent {
    BpfLink link;
    UniqueFd event;  // the same event as the link's, for reading
    std::uint64_t time_enabled_ns = 0;
  };

  Result<> open(int cpu);
  void close(std::map<int, CpuEvent>::iterator cpu);
  [[nodiscard]] bool is_alive(CpuEvent& cpu) const;

  SamplingEvent event_;
  int frequency_;
  bpf_program* program_ = nullptr;
  bool is_paused_ = false;
  std::map<int, CpuEvent> cpus_;
  std::uint64_t closed_count_ = 0;   // of events that are gone
  std::uint64_t idle_start_ns_ = 0;  // idle time of all CPUs at start()
  std::uint64_t idle_end_ns_ = 0;    // and at stop()
};

}  // namespace waggle
