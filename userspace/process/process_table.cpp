// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/process_table.h"

#include <time.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include "base/check.h"

namespace waggle {

namespace {

std::uint64_t read_ns(clockid_t clock) {
  timespec time{};
  CHECK(::clock_gettime(clock, &time) == 0);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

MappedIdentity identity_of(const MapRecord& record) {
  MappedIdentity identity;
  identity.device_major = record.device_major;
  identity.device_minor = record.device_minor;
  identity.inode = record.inode;
  identity.build_id_size = static_cast<std::uint8_t>(record.build_id.size());
  std::ranges::copy(record.build_id, identity.build_id.begin());
  return identity;
}

}  // namespace

TableClock TableClock::now() {
  const std::uint64_t monotonic_ns = read_ns(CLOCK_MONOTONIC);
  return {monotonic_ns, read_ns(CLOCK_BOOTTIME) - monotonic_ns};
}

ProcessTable::ProcessTable(ProcFs proc, const ProcessTableLimits& limits, ReadClock read_clock)
    : proc_(std::move(proc)),
      limits_(limits),
      read_clock_(std::move(read_clock)),
      now_(read_clock_()),
      compared_ns_(now_.monotonic_ns) {}

void ProcessTable::apply(const ProcessRecord& record) {
  std::visit(
      [this](const auto& known) {
        now_.monotonic_ns = std::max(now_.monotonic_ns, known.time_ns);
        on(known);
      },
      record);
  if (size_bytes() > limits_.budget_bytes) {
    keep_budget();
  }
}

void ProcessTable::on(const ForkRecord& record) {
  if (!record.is_thread()) {
    on_process_fork(record);
  } else if (Process* process = live_at(record.pid, record.time_ns)) {
    ++process->thread_count;
  }
}

void ProcessTable::on_process_fork(const ForkRecord& record) {
  const StartTime start = StartTime::from_fork(record.time_ns + now_.boottime_offset_ns);
  if (Process* known = newest(record.pid); known != nullptr && known->is_live()) {
    if (known->begin_ns == 0 && known->start.agrees_with(start)) {
      known->begin_ns = record.time_ns;  // /proc was read before this record
      return;
    }
    if (known->start.earliest_ns > start.latest_ns) {
      return;  // of one that had the pid before it
    }
    end_process(*known, record.time_ns);  // its exit was lost
  }
  Process* parent = live_at(record.parent_pid, record.time_ns);
  Process& child = add_process(record.pid, start, record.time_ns);
  child.parent_pid = record.parent_pid;
  child.is_thread_count_exact = true;
  child.verified_ns = record.time_ns;
  Image image;
  image.from_ns = record.time_ns;
  if (parent == nullptr) {
    const auto stat = read_stat(record.pid);
    image.exec_name = stat ? stat->comm : "";
    image.history = new_history(false);
    child.begin_image(std::move(image));
    return;
  }
  child.verified_ns = is_doubtful(*parent) ? parent->verified_ns : record.time_ns;
  child.is_kernel_thread = parent->is_kernel_thread;
  image.exec_name = parent->current().exec_name;
  image.history = parent->current().history;
  child.begin_image(std::move(image));
  if (parent->first_exec_id) {
    child.first_exec_id =
        *parent->first_exec_id + static_cast<std::uint32_t>(parent->images.size() - 1);
  }
}

void ProcessTable::on(const ExecRecord& record) {
  Process* process = live_or_new(record.pid, record.time_ns);
  if (process == nullptr) {
    return;
  }
  const Image& old = process->current();
  if (old.history->snapshot_ns() >= record.time_ns) {
    old.history->drop_snapshot();  // what was read may be of the new program
  }
  process->begin_image(
      {record.time_ns, kForever, std::string(record.comm), new_history(true), nullptr});
  process->thread_count = 1;  // exec ends all other threads
  process->is_thread_count_exact = true;
  process->is_leader_gone = false;
  process->is_kernel_thread = false;
  process->verified_ns = record.time_ns;
  process->next_read_ns = process->read_pause_ns = 0;
  retired_images_.push_back({record.time_ns, process->serial, process->pid});
}

void ProcessTable::on(const CommRecord& record) {
  Process* process = live_at(record.pid, record.time_ns);
  if (process != nullptr && process->is_kernel_thread && record.tid == record.pid) {
    process->current().exec_name = record.comm;  // a kernel thread has no other name
  }
}

void ProcessTable::on(const MapRecord& record) {
  Process* process = live_or_new(record.pid, record.time_ns);
  if (process == nullptr) {
    return;
  }
  CodeMapping mapping;
  mapping.start = record.start;
  mapping.end = record.start + record.size_bytes;
  mapping.from_ns = record.time_ns;
  mapping.file = files_.intern(identity_of(record), record.path);
  mapping.file_offset = mapping.file->is_file() ? record.file_offset : 0;
  if (!own_history(process->current()).add(std::move(mapping))) {
    ++counters_.refused_mappings;
  }
}

void ProcessTable::on(const ExitRecord& record) {
  Process* process = live_at(record.pid, record.time_ns);
  if (process == nullptr) {
    return;
  }
  if (process->is_thread_count_exact && !is_doubtful(*process)) {
    if (--process->thread_count == 0) {
      end_process(*process, record.time_ns);
    }
    return;
  }
  process->is_leader_gone = process->is_leader_gone || record.is_leader();
  if (process->is_leader_gone) {
    end_if_alone(*process, record.time_ns);
  }
}

void ProcessTable::on(const LostRecord& record) {
  counters_.lost_records += std::max<std::uint64_t>(record.count, 1);
  last_loss_ns_ = std::max(last_loss_ns_, record.time_ns);
}

Process* ProcessTable::newest(std::uint32_t pid) {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : found->second.get();
}

// The live process that a record of that time can be about.
Process* ProcessTable::live_at(std::uint32_t pid, std::uint64_t time_ns) {
  Process* process = newest(pid);
  const bool fits = process != nullptr && process->is_live() &&
                    process->start.earliest_ns <= time_ns + now_.boottime_offset_ns;
  return fits ? process : nullptr;
}

// Also one whose beginning nobody told of.  nullptr when the record is of an earlier process.
Process* ProcessTable::live_or_new(std::uint32_t pid, std::uint64_t time_ns) {
  if (Process* process = live_at(pid, time_ns)) {
    return process;
  }
  const Process* known = newest(pid);
  if (known != nullptr && (known->is_live() || known->end_ns >= time_ns)) {
    return nullptr;
  }
  Process& process = add_process(pid, {}, known == nullptr ? 0 : known->end_ns);
  process.verified_ns = time_ns;
  Image image;
  image.from_ns = process.begin_ns;
  image.history = new_history(false);
  process.begin_image(std::move(image));
  return &process;
}

Process& ProcessTable::add_process(std::uint32_t pid, const StartTime& start,
                                   std::uint64_t begin_ns) {
  auto process = std::make_unique<Process>();
  process->pid = pid;
  process->serial = ++last_serial_;
  process->start = start;
  process->begin_ns = begin_ns;
  std::unique_ptr<Process>& slot = by_pid_[pid];
  process->older = std::move(slot);
  slot = std::move(process);
  ++process_count_;
  return *slot;
}

void ProcessTable::end_process(Process& process, std::uint64_t time_ns) {
  process.end_ns = time_ns;
  process.current().to_ns = time_ns;
  gone_.push_back({time_ns, process.serial, process.pid});
  retired_images_.push_back({time_ns, process.serial, process.pid});
}

MappingHistory& ProcessTable::own_history(Image& image) {
  if (image.history.use_count() > 1) {
    image.history = std::make_shared<MappingHistory>(*image.history);
  }
  return *image.history;
}

std::shared_ptr<MappingHistory> ProcessTable::new_history(bool is_complete) {
  auto history = std::make_shared<MappingHistory>(mapping_bytes_);
  history->set_complete(is_complete);
  return history;
}

}  // namespace waggle
