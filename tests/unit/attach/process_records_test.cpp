// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/process_records.h"

#include <gtest/gtest.h>
#include <linux/perf_event.h>

#include <cstring>
#include <string>
#include <vector>

namespace waggle {
namespace {

// Builds a record as include/uapi/linux/perf_event.h lays it out.
class RecordBytes {
 public:
  RecordBytes(std::uint32_t type, std::uint16_t misc) : header_{type, misc, 0} {}

  RecordBytes& u8s(std::initializer_list<int> values) {
    for (const int value : values) {
      bytes_.push_back(static_cast<std::byte>(value));
    }
    return *this;
  }
  RecordBytes& u32(std::uint32_t value) { return raw(&value, sizeof(value)); }
  RecordBytes& u64(std::uint64_t value) { return raw(&value, sizeof(value)); }
  RecordBytes& text(std::string value) {  // padded with NULs to 8 bytes, as the kernel does
    value.resize((value.size() + 8) / 8 * 8);
    return raw(value.data(), value.size());
  }
  std::vector<std::byte> finish(std::uint64_t time_ns) {
    u32(10).u32(11).u64(time_ns);
    header_.size = static_cast<std::uint16_t>(bytes_.size());
    std::memcpy(bytes_.data(), &header_, sizeof(header_));
    return bytes_;
  }

 private:
  RecordBytes& raw(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    return *this;
  }

  perf_event_header header_;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(sizeof(perf_event_header));
};

RecordBytes map_head() {
  RecordBytes record(PERF_RECORD_MMAP2, 0);
  record.u32(10).u32(11).u64(0x7f0000001000).u64(0x2000).u64(0x3000);
  return record;
}

// The record's texts point into `bytes`, so a temporary is refused.
template <class T>
T decode_as(std::vector<std::byte>&& bytes) = delete;
template <class T>
T decode_as(const std::vector<std::byte>& bytes) {
  const auto record = decode_process_record(bytes, 3);
  EXPECT_TRUE(record && std::holds_alternative<T>(*record));
  return std::get<T>(*record);
}

TEST(ProcessRecords, tells_a_fork_from_a_thread) {
  const auto fork_bytes =
      RecordBytes(PERF_RECORD_FORK, 0).u32(20).u32(10).u32(20).u32(11).u64(5).finish(5);
  const auto fork = decode_as<ForkRecord>(fork_bytes);
  EXPECT_FALSE(fork.is_thread());
  EXPECT_EQ(fork.pid, 20U);
  EXPECT_EQ(fork.parent_tid, 11U);
  EXPECT_EQ(fork.time_ns, 5U);
  const auto thread_bytes =
      RecordBytes(PERF_RECORD_FORK, 0).u32(10).u32(10).u32(21).u32(10).u64(5).finish(5);
  const auto thread = decode_as<ForkRecord>(thread_bytes);
  EXPECT_TRUE(thread.is_thread());
}

TEST(ProcessRecords, tells_an_exec_from_a_rename) {
  const auto exec_bytes = RecordBytes(PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC)
                              .u32(10)
                              .u32(10)
                              .text("bash")
                              .finish(6);
  const auto exec = decode_as<ExecRecord>(exec_bytes);
  EXPECT_EQ(exec.comm, "bash");
  const auto rename_bytes = RecordBytes(PERF_RECORD_COMM, 0).u32(10).u32(11).text("io").finish(6);
  const auto rename = decode_as<CommRecord>(rename_bytes);
  EXPECT_EQ(rename.tid, 11U);
}

TEST(ProcessRecords, reads_device_and_inode_of_a_mapping) {
  auto record = map_head();
  record.u32(8).u32(1).u64(1234).u64(2).u32(5).u32(2).text("/lib/a b\n;c.so");
  const auto bytes = record.finish(9);
  const auto map = decode_as<MapRecord>(bytes);
  EXPECT_EQ(map.start, 0x7f0000001000U);
  EXPECT_EQ(map.size_bytes, 0x2000U);
  EXPECT_EQ(map.file_offset, 0x3000U);
  EXPECT_TRUE(map.build_id.empty());
  EXPECT_EQ(map.device_major, 8U);
  EXPECT_EQ(map.device_minor, 1U);
  EXPECT_EQ(map.inode, 1234U);
  EXPECT_EQ(map.inode_generation, 2U);
  EXPECT_EQ(map.protection, 5U);
  EXPECT_EQ(map.flags, 2U);
  EXPECT_EQ(map.path, "/lib/a b\n;c.so");
}

TEST(ProcessRecords, reads_a_build_id_no_longer_than_its_field) {
  for (const int claimed_size : {8, 20, 255}) {
    RecordBytes record(PERF_RECORD_MMAP2, PERF_RECORD_MISC_MMAP_BUILD_ID);
    record.u32(10).u32(11).u64(0x1000).u64(0x1000).u64(0);
    record.u8s({claimed_size, 0, 0, 0});
    record.u8s({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20});
    record.u32(5).u32(2).text("/bin/x");
    const auto bytes = record.finish(9);
    const auto map = decode_as<MapRecord>(bytes);
    EXPECT_EQ(map.build_id.size(), static_cast<std::size_t>(std::min(claimed_size, 20)));
    EXPECT_EQ(map.build_id[7], std::byte{8});
    EXPECT_EQ(map.inode, 0U);
  }
}

TEST(ProcessRecords, refuses_a_mapping_that_leaves_the_address_space) {
  RecordBytes record(PERF_RECORD_MMAP2, 0);
  record.u32(10).u32(11).u64(0xfffffffffffff000).u64(0x2000).u64(0);
  record.u32(8).u32(1).u64(1).u64(0).u32(5).u32(2).text("/x");
  EXPECT_FALSE(decode_process_record(record.finish(9), 0));
}

TEST(ProcessRecords, reports_the_cpu_that_lost_records) {
  const auto lost_bytes = RecordBytes(PERF_RECORD_LOST, 0).u64(77).u64(12).finish(8);
  const auto lost = decode_as<LostRecord>(lost_bytes);
  EXPECT_EQ(lost.count, 12U);
  EXPECT_EQ(lost.cpu, 3);
}

TEST(ProcessRecords, every_cut_of_a_record_is_refused_or_decoded_within_its_bytes) {
  auto record = map_head();
  record.u32(8).u32(1).u64(1234).u64(2).u32(5).u32(2).text("/lib/a.so");
  const auto bytes = record.finish(9);
  const std::size_t least = bytes.size() - 16;  // one with an empty path
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
    EXPECT_EQ(decode_process_record(cut, 0).has_value(), size >= least) << size;
  }
}

}  // namespace
}  // namespace waggle
