// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/process_records.h"

#include <linux/perf_event.h>

#include <algorithm>
#include <cstring>

namespace waggle {

namespace {

constexpr std::size_t kBuildIdBytes = 20;

// What sample_id_all appends for TID | TIME.
struct SampleId {
  std::uint32_t pid, tid;
  std::uint64_t time_ns;
};

// The text up to its NUL, or to the end of the field.
std::string_view text_of(Bytes field) {
  const std::string_view text(reinterpret_cast<const char*>(field.data()), field.size());
  return text.substr(0, text.find('\0'));
}

std::optional<ProcessRecord> decode_task(ByteCursor body, std::uint64_t time_ns, bool is_fork) {
  const auto pid = body.read<std::uint32_t>();
  const auto parent_pid = body.read<std::uint32_t>();
  const auto tid = body.read<std::uint32_t>();
  const auto parent_tid = body.read<std::uint32_t>();
  if (!body.ok()) {
    return std::nullopt;
  }
  if (is_fork) {
    return ForkRecord{time_ns, pid, tid, parent_pid, parent_tid};
  }
  return ExitRecord{time_ns, pid, tid, parent_pid};
}

std::optional<ProcessRecord> decode_comm(ByteCursor body, std::uint64_t time_ns, bool is_exec) {
  const auto pid = body.read<std::uint32_t>();
  const auto tid = body.read<std::uint32_t>();
  const std::string_view comm = text_of(body.take(body.remaining()));
  if (!body.ok()) {
    return std::nullopt;
  }
  if (is_exec) {
    return ExecRecord{time_ns, pid, tid, comm};
  }
  return CommRecord{time_ns, pid, tid, comm};
}

// One union of 24 bytes: device and inode, or a build id and its length.
void decode_file(ByteCursor file, bool has_build_id, MapRecord& map) {
  if (has_build_id) {
    const auto size = file.read<std::uint8_t>();
    (void)file.take(3);  // reserved
    map.build_id = file.take(kBuildIdBytes).first(std::min<std::size_t>(size, kBuildIdBytes));
    return;
  }
  map.device_major = file.read<std::uint32_t>();
  map.device_minor = file.read<std::uint32_t>();
  map.inode = file.read<std::uint64_t>();
  map.inode_generation = file.read<std::uint64_t>();
}

std::optional<ProcessRecord> decode_map(ByteCursor body, std::uint64_t time_ns, bool has_build_id) {
  MapRecord map{};
  map.time_ns = time_ns;
  map.pid = body.read<std::uint32_t>();
  map.tid = body.read<std::uint32_t>();
  map.start = body.read<std::uint64_t>();
  map.size_bytes = body.read<std::uint64_t>();
  map.file_offset = body.read<std::uint64_t>();
  const Bytes file = body.take(24);
  map.protection = body.read<std::uint32_t>();
  map.flags = body.read<std::uint32_t>();
  map.path = text_of(body.take(body.remaining()));
  if (!body.ok() || map.size_bytes == 0 || map.start + map.size_bytes < map.start) {
    return std::nullopt;
  }
  decode_file(ByteCursor(file), has_build_id, map);
  return map;
}

std::optional<ProcessRecord> decode_lost(ByteCursor body, std::uint64_t time_ns, int cpu) {
  (void)body.read<std::uint64_t>();  // the event's id
  const auto count = body.read<std::uint64_t>();
  if (!body.ok()) {
    return std::nullopt;
  }
  return LostRecord{time_ns, count, cpu};
}

}  // namespace

std::uint64_t record_time_ns(Bytes bytes) {
  std::uint64_t time_ns = 0;
  if (bytes.size() >= sizeof(perf_event_header) + sizeof(SampleId)) {
    std::memcpy(&time_ns, bytes.last(sizeof(time_ns)).data(), sizeof(time_ns));
  }
  return time_ns;
}

std::optional<ProcessRecord> decode_process_record(Bytes bytes, int cpu) {
  if (bytes.size() < sizeof(perf_event_header) + sizeof(SampleId)) {
    return std::nullopt;
  }
  perf_event_header header{};
  std::memcpy(&header, bytes.data(), sizeof(header));
  const std::uint64_t time_ns = record_time_ns(bytes);
  const ByteCursor body(
      bytes.subspan(sizeof(header), bytes.size() - sizeof(header) - sizeof(SampleId)));
  switch (header.type) {
    case PERF_RECORD_FORK:
    case PERF_RECORD_EXIT:
      return decode_task(body, time_ns, header.type == PERF_RECORD_FORK);
    case PERF_RECORD_COMM:
      return decode_comm(body, time_ns, (header.misc & PERF_RECORD_MISC_COMM_EXEC) != 0);
    case PERF_RECORD_MMAP2:
      return decode_map(body, time_ns, (header.misc & PERF_RECORD_MISC_MMAP_BUILD_ID) != 0);
    case PERF_RECORD_LOST:
      return decode_lost(body, time_ns, cpu);
    default:
      return std::nullopt;
  }
}

}  // namespace waggle
