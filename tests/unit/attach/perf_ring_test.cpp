// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/perf_ring.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace waggle {
namespace {

// The kernel's side of a ring of 64 bytes.
class FakeKernelRing {
 public:
  explicit FakeKernelRing(std::uint64_t position = 0) {
    page_.data_head = position;
    page_.data_tail = position;
  }

  // A record of `size` bytes whose body repeats `fill`; the header may lie about the size.
  void write(std::uint16_t size, std::byte fill, std::uint16_t claimed_size) {
    const perf_event_header header{1, 0, claimed_size};
    for (std::size_t i = 0; i < size; ++i) {
      std::byte value = fill;
      if (i < sizeof(header)) {
        std::memcpy(&value, reinterpret_cast<const char*>(&header) + i, 1);
      }
      data_[(page_.data_head + i) % data_.size()] = value;
    }
    page_.data_head = page_.data_head + size;
  }
  void write(std::uint16_t size, std::byte fill) { write(size, fill, size); }

  perf_event_mmap_page& page() { return page_; }
  PerfRingReader reader() { return {&page_, data_}; }

 private:
  perf_event_mmap_page page_{};
  std::array<std::byte, 64> data_{};
};

TEST(PerfRing, gives_records_in_order_and_returns_their_room) {
  FakeKernelRing ring;
  PerfRingReader reader = ring.reader();
  ring.write(16, std::byte{1});
  ring.write(24, std::byte{2});
  EXPECT_FALSE(reader.peek());  // not looked yet
  reader.refresh();
  ASSERT_TRUE(reader.peek());
  EXPECT_EQ(reader.peek()->size(), 16U);
  EXPECT_EQ(reader.peek()->back(), std::byte{1});
  EXPECT_EQ(ring.page().data_tail, 0U);
  reader.pop();
  EXPECT_EQ(ring.page().data_tail, 16U);
  ASSERT_TRUE(reader.peek());
  EXPECT_EQ(reader.peek()->size(), 24U);
  reader.pop();
  EXPECT_FALSE(reader.peek());
  EXPECT_EQ(ring.page().data_tail, 40U);
}

TEST(PerfRing, goes_no_further_than_what_refresh_saw) {
  FakeKernelRing ring;
  PerfRingReader reader = ring.reader();
  ring.write(16, std::byte{1});
  reader.refresh();
  ring.write(16, std::byte{2});
  ASSERT_TRUE(reader.peek());
  reader.pop();
  EXPECT_FALSE(reader.peek());
  reader.refresh();
  EXPECT_TRUE(reader.peek());
}

TEST(PerfRing, rebuilds_a_record_that_wraps) {
  FakeKernelRing ring((std::uint64_t{1} << 40) + 48);
  PerfRingReader reader = ring.reader();
  ring.write(40, std::byte{7});
  reader.refresh();
  const auto record = reader.peek();
  ASSERT_TRUE(record);
  ASSERT_EQ(record->size(), 40U);
  for (const std::byte value : record->subspan(8)) {
    EXPECT_EQ(value, std::byte{7});
  }
}

TEST(PerfRing, drops_to_the_head_when_a_size_cannot_be_true) {
  for (const int claim : {0, 4, 12, 63, 32, 65528}) {
    FakeKernelRing ring;
    PerfRingReader reader = ring.reader();
    ring.write(16, std::byte{1}, static_cast<std::uint16_t>(claim));
    reader.refresh();
    EXPECT_FALSE(reader.peek()) << claim;
    EXPECT_EQ(reader.resync_count(), 1U);
    EXPECT_EQ(ring.page().data_tail, 16U);
    ring.write(24, std::byte{2});  // and reads on from there
    reader.refresh();
    ASSERT_TRUE(reader.peek());
    EXPECT_EQ(reader.peek()->size(), 24U);
  }
}

TEST(PerfRing, drops_all_when_the_head_is_beyond_the_ring) {
  FakeKernelRing ring;
  PerfRingReader reader = ring.reader();
  ring.page().data_head = 4096;
  reader.refresh();
  EXPECT_FALSE(reader.peek());
  EXPECT_EQ(reader.resync_count(), 1U);
  EXPECT_EQ(ring.page().data_tail, 4096U);
}

}  // namespace
}  // namespace waggle
