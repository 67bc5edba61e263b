// SPDX-License-Identifier: Apache-2.0
// Reading the ring that the kernel fills for one perf event: one contiguous record at a time.  Not
// for what the records say (process_records.h).
#pragma once

#include <linux/perf_event.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/mapping.h"
#include "base/result.h"

namespace waggle {

// The reader's side over memory that someone else keeps alive (PerfRing does, tests do).
// The other side is the kernel: it writes records, then stores data_head with release; it
// overwrites only what lies before data_tail.  So we load data_head with acquire before we read
// records, and store data_tail with release after we are done with one.  One reader thread.
class PerfRingReader {
 public:
  // data: a power of two of bytes.
  PerfRingReader(perf_event_mmap_page* page, std::span<const std::byte> data)
      : page_(page), data_(data), tail_(page->data_tail) {}

  // Takes note of how far the kernel has written; peek() goes no further.
  void refresh();

  // The oldest record, header included; valid until pop().  Nothing when all that refresh() saw is
  // read.  A header that cannot be true drops all up to the head (resync_count()).
  std::optional<Bytes> peek();

  // Gives the room of the record that peek() returned back to the kernel.
  void pop();

  [[nodiscard]] std::uint64_t resync_count() const { return resync_count_; }

 private:
  Bytes contiguous(std::size_t size);
  void drop_all();

  perf_event_mmap_page* page_;
  std::span<const std::byte> data_;
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  std::size_t peeked_bytes_ = 0;
  std::uint64_t resync_count_ = 0;
  std::vector<std::byte> rebuilt_;  // a record that wraps around the end of data_
};

// Owner of one ring's memory: a page of metadata and data_bytes of records.
class PerfRing {
 public:
  // data_bytes: a power of two of pages.  Needs CAP_IPC_LOCK beyond kernel.perf_event_mlock_kb.
  static Result<PerfRing> map(int event_fd, std::size_t data_bytes);

  PerfRingReader& reader() { return reader_; }
  [[nodiscard]] std::uint64_t resync_count() const { return reader_.resync_count(); }

 private:
  explicit PerfRing(Mapping mapping);

  Mapping mapping_;
  PerfRingReader reader_;  // points into mapping_, whose address does not change by a move
};

}  // namespace waggle
