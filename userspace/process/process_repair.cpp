// SPDX-License-Identifier: Apache-2.0
// What the process table asks /proc: who lives at the start, what the stream could not know, and
// what may have been lost.
#include <algorithm>
#include <utility>
#include <vector>

#include "userspace/process/process_table.h"

namespace waggle {

namespace {

constexpr std::uint64_t kFirstPauseNs = 1'000'000'000;
constexpr std::uint64_t kLongestPauseNs = 32'000'000'000;

MappedIdentity identity_of(const MapsEntry& entry) {
  MappedIdentity identity;
  identity.device_major = entry.device_major;
  identity.device_minor = entry.device_minor;
  identity.inode = entry.inode;
  return identity;
}

// Whether /proc shows another program than the one that is known.  Where nothing of it is known to
// be mapped, as of one that has just forked, its name alone can tell.
bool is_another_image(const Image& known, const ProcStat& stat,
                      const std::vector<CodeMapping>& snapshot) {
  return known.history->current().empty() ? known.exec_name != stat.comm
                                          : !known.history->shares_file_with(snapshot);
}

}  // namespace

Result<> ProcessTable::scan() {
  now_ = read_clock_();
  for (const std::uint32_t pid : TRY(proc_.list_pids())) {
    scan_process(pid);
  }
  return {};
}

void ProcessTable::scan_process(std::uint32_t pid) {
  const auto stat = read_stat(pid);
  if (stat && newest(pid) == nullptr) {
    add_scanned(pid, *stat);
  }
}

Process& ProcessTable::add_scanned(std::uint32_t pid, const ProcStat& stat) {
  Process& process = add_process(pid, StartTime::from_ticks(stat.start_ticks), 0);
  process.parent_pid = stat.parent_pid;
  process.thread_count = stat.thread_count;
  process.is_kernel_thread = stat.is_kernel_thread;
  process.verified_ns = now_.monotonic_ns;
  process.begin_image({0, kForever, stat.comm, new_history(false), nullptr});
  return process;
}

Result<ProcStat> ProcessTable::read_stat(std::uint32_t pid) {
  ++counters_.stat_reads;
  auto stat = proc_.read_stat(pid);
  counters_.failed_reads += stat ? 0 : 1;
  return stat;
}

// A process that nobody told of: its fork was lost, or it is older than we are and was missed.
Process* ProcessTable::discover(const process_id& id) {
  if (!take_read_token()) {
    return nullptr;
  }
  const auto stat = read_stat(id.tgid);
  const StartTime start = StartTime::exact(id.start_boottime_ns);
  if (!stat || !start.agrees_with(StartTime::from_ticks(stat->start_ticks))) {
    return nullptr;
  }
  if (Process* known = newest(id.tgid); known != nullptr && known->is_live()) {
    if (known->start.earliest_ns >= start.earliest_ns || known->start.agrees_with(start)) {
      return nullptr;  // the sample is of an earlier process
    }
    end_process(*known, now_.monotonic_ns);
  }
  return &add_scanned(id.tgid, *stat);
}

// Ends a process whose threads could not be counted, unless /proc still shows some.
void ProcessTable::end_if_alone(Process& process, std::uint64_t time_ns) {
  const auto stat = read_stat(process.pid);
  const bool lives_on = stat && stat->thread_count > 1 &&
                        process.start.agrees_with(StartTime::from_ticks(stat->start_ticks));
  if (!lives_on) {
    end_process(process, time_ns);
  }
}

// Finds exits that were lost, and processes whose fork was.
void ProcessTable::compare_with_proc() {
  const bool is_after_loss = last_loss_ns_ > compared_ns_;
  compared_ns_ = now_.monotonic_ns;
  const auto pids = proc_.list_pids();
  if (!pids) {
    ++counters_.failed_reads;
    return;
  }
  for (auto& [pid, process] : by_pid_) {
    if (process->is_live() && !std::ranges::binary_search(*pids, pid)) {
      end_process(*process, now_.monotonic_ns);
    }
  }
  for (const std::uint32_t pid : *pids) {
    compare_process(pid, is_after_loss);
  }
}

void ProcessTable::compare_process(std::uint32_t pid, bool is_after_loss) {
  Process* known = newest(pid);
  const bool is_known_live = known != nullptr && known->is_live();
  if (is_known_live && !is_after_loss) {
    return;
  }
  const auto stat = read_stat(pid);
  if (!stat) {
    return;
  }
  const StartTime start = StartTime::from_ticks(stat->start_ticks);
  if (known != nullptr && known->start.agrees_with(start)) {
    return;  // the same, or one that is gone and not yet waited for
  }
  if (is_known_live) {
    end_process(*known, now_.monotonic_ns);
  }
  add_scanned(pid, *stat);
}

bool ProcessTable::take_read_token() {
  now_ = read_clock_();
  if (now_.monotonic_ns - tokens_ns_ >= 1'000'000'000) {
    tokens_ns_ = now_.monotonic_ns;
    read_tokens_ = limits_.reads_per_second;
  }
  if (read_tokens_ == 0) {
    ++counters_.denied_reads;
    return false;
  }
  --read_tokens_;
  return true;
}

bool ProcessTable::may_read(Process& process) {
  now_ = read_clock_();
  if (now_.monotonic_ns < process.next_read_ns || !take_read_token()) {
    return false;
  }
  process.read_pause_ns = std::clamp(2 * process.read_pause_ns, kFirstPauseNs, kLongestPauseNs);
  process.next_read_ns = now_.monotonic_ns + process.read_pause_ns;
  return true;
}

bool ProcessTable::is_doubtful(const Process& process) const {
  return process.verified_ns < last_loss_ns_;
}

// Reads the mappings of a live process into its current image.
bool ProcessTable::load(Process& process) {
  ++counters_.maps_reads;
  std::vector<CodeMapping> snapshot;
  const auto stat = proc_.read_code(process.pid, [&](const MapsEntry& entry) {
    CodeMapping mapping;
    mapping.start = entry.start;
    mapping.end = entry.end;
    mapping.file = files_.intern(identity_of(entry), entry.path);
    mapping.file_offset = mapping.file->is_file() ? entry.file_offset : 0;
    snapshot.push_back(std::move(mapping));
  });
  now_ = read_clock_();
  // No mappings: it is exiting.
  if (!stat || snapshot.empty() ||
      !process.start.agrees_with(StartTime::from_ticks(stat->start_ticks))) {
    ++counters_.failed_reads;
    return false;
  }
  process.start.narrow(StartTime::from_ticks(stat->start_ticks));
  const bool was_doubtful = is_doubtful(process);
  if (was_doubtful && is_another_image(process.current(), *stat, snapshot)) {
    begin_missed_image(process, *stat);
  }
  Image& image = process.current();
  // What forked children share stays shared when it is only completed.
  MappingHistory& history =
      image.history->is_complete() || was_doubtful ? own_history(image) : *image.history;
  history.merge_snapshot(snapshot, was_doubtful ? process.verified_ns : now_.monotonic_ns,
                         now_.monotonic_ns);
  process.is_thread_count_exact = process.is_thread_count_exact && !was_doubtful;
  process.verified_ns = now_.monotonic_ns;
  return true;
}

// Execs were lost, how many nobody knows: which exec id is whose has to be learned anew.
void ProcessTable::begin_missed_image(Process& process, const ProcStat& stat) {
  process.images.clear();
  process.first_exec_id.reset();
  process.is_kernel_thread = stat.is_kernel_thread;
  process.begin_image({process.verified_ns, kForever, stat.comm, new_history(false), nullptr});
}

// The live parent that still shares all mappings with a child: its /proc entry shows the child's,
// too, when the child is gone.
Process* ProcessTable::sharing_parent(const Process& process) {
  Process* parent = newest(process.parent_pid);
  const bool shares = parent != nullptr && parent->is_live() &&
                      parent->current().history == process.images.front().history;
  return shares ? parent : nullptr;
}

}  // namespace waggle
