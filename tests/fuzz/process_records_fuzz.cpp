// SPDX-License-Identifier: Apache-2.0
// A perf ring filled with any bytes, read to its end and decoded.  The first 2 bytes choose how
// much of it the kernel claims to have written, and from where.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <variant>

#include "base/check.h"
#include "userspace/attach/perf_ring.h"
#include "userspace/attach/process_records.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  std::array<std::byte, 1024> ring{};
  std::memcpy(ring.data(), data + 2, size - 2 < ring.size() ? size - 2 : ring.size());
  perf_event_mmap_page page{};
  page.data_tail = std::uint64_t{data[0]} * 8;
  page.data_head = page.data_tail + std::uint64_t{data[1]} * 8;
  waggle::PerfRingReader reader(&page, ring);
  reader.refresh();
  std::size_t read_bytes = 0;
  while (const auto bytes = reader.peek()) {
    read_bytes += bytes->size();
    CHECK(read_bytes <= ring.size());
    const auto record = waggle::decode_process_record(*bytes, 0);
    if (record && std::holds_alternative<waggle::MapRecord>(*record)) {
      const auto& map = std::get<waggle::MapRecord>(*record);
      CHECK(map.path.size() < bytes->size());
      CHECK(map.build_id.size() <= 20);
      CHECK(map.start + map.size_bytes > map.start);
    }
    reader.pop();
  }
  CHECK(page.data_tail == page.data_head);
  return 0;
}
