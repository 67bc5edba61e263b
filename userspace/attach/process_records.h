// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of processes, decoded from perf records (perf_event_open(2), the section on
// the ring's layout).  Not for where they come from (process_stream.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/bytes.h"

namespace waggle {

// Times are CLOCK_MONOTONIC.  pid is the process (thread group), tid the thread.
struct ForkRecord {
  std::uint64_t time_ns;
  std::uint32_t pid, tid;                // the new one
  std::uint32_t parent_pid, parent_tid;  // who called fork or clone
  [[nodiscard]] bool is_thread() const { return pid == parent_pid; }
};

struct ExecRecord {
  std::uint64_t time_ns;
  std::uint32_t pid, tid;
  std::string_view comm;
};

// A thread gave itself another name (prctl, pthread_setname_np).
struct CommRecord {
  std::uint64_t time_ns;
  std::uint32_t pid, tid;
  std::string_view comm;
};

// An executable mapping: mmap, or mprotect that made it executable.
struct MapRecord {
  std::uint64_t time_ns;
  std::uint32_t pid, tid;
  std::uint64_t start, size_bytes;
  std::uint64_t file_offset;            // bytes; without meaning when no file is behind it
  std::span<const std::byte> build_id;  // GNU, at most 20 bytes; else empty, then these count:
  std::uint32_t device_major, device_minor;
  std::uint64_t inode, inode_generation;  // inode 0: no file
  std::uint32_t protection, flags;        // PROT_*, MAP_*
  std::string_view path;                  // as seen from the process' root; raw bytes
};

// tid == pid is the leader; the process lives on while other threads do.
struct ExitRecord {
  std::uint64_t time_ns;
  std::uint32_t pid, tid;
  std::uint32_t parent_pid;
  [[nodiscard]] bool is_leader() const { return pid == tid; }
};

// From here on what is known of any process may be incomplete.
struct LostRecord {
  std::uint64_t time_ns;
  std::uint64_t count;  // 0: unknown
  int cpu;
};

using ProcessRecord =
    std::variant<ForkRecord, ExecRecord, CommRecord, MapRecord, ExitRecord, LostRecord>;

// The events must be opened with sample_id_all and sample_type TID | TIME.  The texts in the answer
// point into `bytes`.  Nothing for other kinds of records and for what breaks its own layout.
std::optional<ProcessRecord> decode_process_record(Bytes bytes, int cpu);

// The time at the end of any such record; 0 when it is too short to have one.
std::uint64_t record_time_ns(Bytes bytes);

}  // namespace waggle
