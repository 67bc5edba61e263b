// SPDX-License-Identifier: Apache-2.0
#include "userspace/samplers/cpu_events.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "userspace/attach/perf_event.h"

namespace waggle {

namespace {

// Idle and iowait of the line "cpu  user nice system idle iowait ..." of /proc/stat: all CPUs' sum.
std::uint64_t idle_ns() {
  const Result<std::string> text = read_file("/proc/stat", std::size_t{1} << 24);
  if (!text || !text->starts_with("cpu  ")) {
    return 0;
  }
  constexpr std::size_t kIdle = 5;  // two blanks follow "cpu", so part 1 is empty
  const auto parts = split(std::string_view(*text).substr(0, text->find('\n')), ' ');
  if (parts.size() <= kIdle + 1) {
    return 0;
  }
  const std::uint64_t ticks = parse_number<std::uint64_t>(parts[kIdle]).value_or(0) +
                              parse_number<std::uint64_t>(parts[kIdle + 1]).value_or(0);
  return ticks * (1'000'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

}  // namespace

CpuEvents::CpuEvents(const SamplingEvent& event, int frequency)
    : event_(event), frequency_(frequency) {}

Result<> CpuEvents::open(int cpu) {
  UniqueFd event = TRY(open_sampling_event(event_, frequency_, cpu));
  UniqueFd reader(::fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  if (!reader.is_open()) {
    return fail_errno("duplicate a perf event", errno);
  }
  BpfLink link = TRY(attach_perf_event(program_, std::move(event)));
  if (is_paused_) {
    (void)disable_event(reader.get());  // fails only for a CPU that is gone
  }
  cpus_[cpu] = CpuEvent{.link = std::move(link), .event = std::move(reader)};
  return {};
}

Result<> CpuEvents::start(bpf_program* program) {
  program_ = program;
  idle_start_ns_ = idle_ns();
  for (const int cpu : TRY(online_cpus())) {
    Result<> opened = open(cpu);
    if (!opened && opened.error().code != Errc::not_found) {
      return opened;
    }
  }
  if (cpus_.empty()) {
    return fail(Errc::system, "no online CPU could be sampled");
  }
  return {};
}

// An event dies with its CPU and does not come back with it: its clock stands still.
bool CpuEvents::is_alive(CpuEvent& cpu) const {
  if (is_paused_) {
    return true;  // all stand still: it is looked at again later
  }
  const Result<EventCount> now = read_event(cpu.event.get());
  if (!now || now->time_enabled_ns <= cpu.time_enabled_ns) {
    return false;
  }
  cpu.time_enabled_ns = now->time_enabled_ns;
  return true;
}

void CpuEvents::close(std::map<int, CpuEvent>::iterator cpu) {
  if (const Result<EventCount> last = read_event(cpu->second.event.get())) {
    closed_count_ += last->count;
  }
  cpus_.erase(cpu);
}

Result<> CpuEvents::refresh() {
  const std::vector<int> online = TRY(online_cpus());
  for (auto cpu = cpus_.begin(); cpu != cpus_.end();) {
    const auto next = std::next(cpu);
    if (!std::ranges::binary_search(online, cpu->first) || !is_alive(cpu->second)) {
      close(cpu);
    }
    cpu = next;
  }
  Result<> all;
  for (const int cpu : online) {
    Result<> opened = cpus_.contains(cpu) ? Result<>() : open(cpu);
    if (!opened && all) {
      all = std::move(opened);
    }
  }
  return all;
}

Result<> CpuEvents::set_frequency(int frequency) {
  frequency_ = frequency;
  Result<> all;
  for (const int cpu : TRY(online_cpus())) {
    if (const auto running = cpus_.find(cpu); running != cpus_.end()) {
      close(running);
      Result<> opened = open(cpu);
      if (!opened && all) {
        all = std::move(opened);  // refresh() tries again
      }
    }
  }
  return all;
}

void CpuEvents::pause() {
  is_paused_ = true;
  for (const auto& [cpu, event] : cpus_) {
    (void)disable_event(event.event.get());  // fails only for a CPU that is gone
  }
}

void CpuEvents::go_on() {
  is_paused_ = false;
  for (const auto& [cpu, event] : cpus_) {
    (void)enable_event(event.event.get());  // likewise
  }
}

void CpuEvents::stop() {
  pause();
  idle_end_ns_ = idle_ns();
  while (!cpus_.empty()) {
    close(cpus_.begin());
  }
}

std::uint64_t CpuEvents::withheld(std::uint64_t runs, std::uint64_t period_sum) const {
  if (runs == 0 || period_sum == 0) {
    return 0;
  }
  std::uint64_t counted = closed_count_;
  for (const auto& [cpu, event] : cpus_) {
    const Result<EventCount> now = read_event(event.event.get());
    counted += now ? now->count : 0;
  }
  if (event_.counts_idle && event_.excludes_idle) {
    const std::uint64_t end_ns = cpus_.empty() ? idle_end_ns_ : idle_ns();
    counted -= std::min(counted, end_ns - std::min(end_ns, idle_start_ns_));
  }
  const std::uint64_t promised = counted / (period_sum / runs);
  return promised - std::min(promised, runs);
}

}  // namespace waggle
