// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/perf_ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace waggle {

void PerfRingReader::refresh() {
  // Acquire: pairs with the kernel's release of data_head; the records before it are whole.
  head_ = __atomic_load_n(&page_->data_head, __ATOMIC_ACQUIRE);
  if (head_ - tail_ > data_.size()) {
    drop_all();
  }
}

std::optional<Bytes> PerfRingReader::peek() {
  const std::uint64_t available = head_ - tail_;
  if (available == 0) {
    return std::nullopt;
  }
  if (peeked_bytes_ != 0) {
    return contiguous(peeked_bytes_);
  }
  // Records begin at multiples of 8, so a header never wraps.
  perf_event_header header{};
  std::memcpy(&header, data_.data() + (tail_ & (data_.size() - 1)), sizeof(header));
  if (header.size < sizeof(header) || header.size % 8 != 0 || header.size > available) {
    drop_all();
    return std::nullopt;
  }
  peeked_bytes_ = header.size;
  return contiguous(peeked_bytes_);
}

void PerfRingReader::pop() {
  CHECK(peeked_bytes_ != 0);
  tail_ += peeked_bytes_;
  peeked_bytes_ = 0;
  // Release: our reads of the record end before the kernel may write over it.
  __atomic_store_n(&page_->data_tail, tail_, __ATOMIC_RELEASE);
}

Bytes PerfRingReader::contiguous(std::size_t size) {
  const std::size_t at = tail_ & (data_.size() - 1);
  const std::size_t until_end = std::min(size, data_.size() - at);
  if (until_end == size) {
    return data_.subspan(at, size);
  }
  rebuilt_.resize(size);
  std::memcpy(rebuilt_.data(), data_.data() + at, until_end);
  std::memcpy(rebuilt_.data() + until_end, data_.data(), size - until_end);
  return rebuilt_;
}

void PerfRingReader::drop_all() {
  ++resync_count_;
  peeked_bytes_ = 0;
  tail_ = head_;
  __atomic_store_n(&page_->data_tail, tail_, __ATOMIC_RELEASE);
}

PerfRing::PerfRing(Mapping mapping)
    : mapping_(std::move(mapping)),
      reader_(reinterpret_cast<perf_event_mmap_page*>(mapping_.bytes().data()),
              mapping_.bytes().subspan(static_cast<std::size_t>(::getpagesize()))) {}

Result<PerfRing> PerfRing::map(int event_fd, std::size_t data_bytes) {
  const auto page_bytes = static_cast<std::size_t>(::getpagesize());
  CHECK(std::has_single_bit(data_bytes) && data_bytes >= page_bytes);
  auto mapping = Mapping::map_shared(event_fd, page_bytes + data_bytes, PROT_READ | PROT_WRITE);
  if (!mapping) {
    if (mapping.error().code == Errc::permission) {
      mapping.error().what += "; run with CAP_IPC_LOCK or raise kernel.perf_event_mlock_kb";
    }
    return add_context("ring of a perf event", std::move(mapping).error());
  }
  return PerfRing(*std::move(mapping));
}

}  // namespace waggle
