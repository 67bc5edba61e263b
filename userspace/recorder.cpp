// SPDX-License-Identifier: Apache-2.0
#include "userspace/recorder.h"

#include <sys/resource.h>
#include <sys/sysmacros.h>

#include <cstddef>
#include <utility>
#include <variant>

#include "userspace/process/mapped_file.h"

namespace waggle {

namespace {

constexpr std::size_t kModuleCacheBytes = std::size_t{128} << 20;

// The thread that hears the kernel does little and must do it at once: beside three busy processes
// on each CPU a new mapping waits 4 ms, p99 16, and 8 and 45 without it.  Where it is refused, so
// be it.
void hear_first() {
  constexpr int kNice = -15;
  (void)::setpriority(PRIO_PROCESS, 0, kNice);  // this thread's alone
}

}  // namespace

Recorder::Recorder(CpuSampler sampler, const SamplingEvent& event, ProcessStream stream,
                   UnwindTables tables)
    : event_(event),
      stream_(std::move(stream)),
      processes_(ProcFs()),
      locator_(processes_),
      resolver_(kModuleCacheBytes),
      sampler_(std::move(sampler)),
      tables_(std::move(tables)),
      follower_(processes_, locator_, tables_, sampler_.mappings_fd(), sampler_.nodes_fd()) {}

Result<std::unique_ptr<Recorder>> Recorder::prepare(const CpuSamplerOptions& options) {
  CpuSampler sampler = TRY(CpuSampler::load(options));
  const SamplingEvent event = TRY(choose_sampling_event());
  ProcessStream stream = TRY(ProcessStream::open());
  UnwindTables tables = TRY(UnwindTables::start(sampler.tables_fd(), sampler.rules_fd()));
  return std::unique_ptr<Recorder>(
      new Recorder(std::move(sampler), event, std::move(stream), std::move(tables)));
}

Result<> Recorder::start() {
  hear_first();
  TRY(processes_.scan());
  start_ = std::chrono::steady_clock::now();
  return sampler_.start(event_);
}

std::vector<int> Recorder::fds() const {
  std::vector<int> fds = stream_.fds();
  fds.push_back(sampler_.poll_fd());
  fds.push_back(tables_.fd());
  return fds;
}

void Recorder::hear_processes() {
  // Before the drain: all execs up to then are known after it.
  const std::uint64_t now_ns = TableClock::now().monotonic_ns;
  stream_.drain([this](const ProcessRecord& record) { on_record(record); });
  follower_.take_tables(now_ns);
  follower_.catch_up();
  std::vector<OpenedFile> opened = locator_.take_opened();
  for (const OpenedFile& file : opened) {
    tables_.want(file.file, locator_.place_of(file.file));  // there before the first sample
  }
  resolver_.read(std::move(opened));
}

void Recorder::on_record(const ProcessRecord& record) {
  processes_.apply(record);
  if (const auto* map = std::get_if<MapRecord>(&record)) {
    note(*map);
  }
  follower_.on_record(record);
}

void Recorder::note(const MapRecord& record) {
  if (!sampler_.is_selected(static_cast<pid_t>(record.pid))) {
    return;
  }
  if (record.inode != 0) {
    locator_.note_file({.pid = static_cast<pid_t>(record.pid),
                        .start = record.start,
                        .end = record.start + record.size_bytes,
                        .path = record.path,
                        .dev = ::makedev(record.device_major, record.device_minor),
                        .inode = record.inode,
                        .inode_generation = record.inode_generation,
                        .mapped_ns = record.time_ns,
                        .time_ns = record.time_ns});
  } else if (region_name(record.path).empty()) {
    locator_.note_generated_code(record.pid);
  }
}

Result<> Recorder::on_readable() {
  TRY(sampler_.consume());
  for (const CpuSampler::Unplaced& unplaced : sampler_.take_unplaced()) {
    follower_.want(unplaced.process, unplaced.time_ns);
  }
  hear_processes();
  return {};
}

void Recorder::take_stack(const CountedStack& stack, std::uint64_t now_ns) {
  locator_.add(stack.key, stack.count, stack.frames.empty() ? now_ns : stack.time_ns, stack.frames);
}

Result<> Recorder::tick() {
  TRY(sampler_.end_generation());
  follower_.recycle();
  hear_processes();  // all that the ended generation's samples depend on
  const std::uint64_t now_ns = TableClock::now().monotonic_ns;
  TRY(sampler_.read_ended([&](const CountedStack& stack) { take_stack(stack, now_ns); }));
  resolver_.push(locator_.take());
  return {};
}

Result<> Recorder::housekeep() {
  processes_.advance();
  TRY(stream_.refresh_cpus([this](const ProcessRecord& record) { on_record(record); }));
  return sampler_.refresh_cpus();
}

Result<> Recorder::stop() {
  sampler_.stop();
  end_ = std::chrono::steady_clock::now();
  TRY(tick());
  return tick();
}

Result<Recording> Recorder::finish() {
  Resolver::Resolved resolved = resolver_.finish();
  const cpu_stats stats = TRY(sampler_.stats());
  return Recording{
      .profile = std::move(resolved.profile),
      .event = event_,
      .stats = stats,
      .truncated = stats.truncated + locator_.cut_samples(),
      .withheld = sampler_.withheld(stats),
      .bpf_map_bytes = sampler_.map_bytes() + follower_.map_bytes() + tables_.map_bytes(),
      .duration = end_ - start_,
      .kernel_names_problem = std::move(resolved.kernel_problem)};
}

}  // namespace waggle
