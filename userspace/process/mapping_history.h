// SPDX-License-Identifier: Apache-2.0
// What one program image had mapped executable, and when.  Pure: no I/O, no clock.  Not for which
// image a sample belongs to (process.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "userspace/process/mapped_file.h"

namespace waggle {

constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

// Executable memory [start, end) during [from_ns, to_ns).
struct CodeMapping {
  std::uint64_t start = 0, end = 0;
  std::uint64_t file_offset = 0;  // of start; 0 without a file
  std::uint64_t from_ns = 0, to_ns = kForever;
  MappedFileRef file;
  bool is_from_proc = false;

  // When the mapping was made, CLOCK_MONOTONIC; 0: unknown.
  [[nodiscard]] std::uint64_t mapped_ns() const { return is_from_proc ? 0 : from_ns; }
};

// Both continue each other: one file at one bias, or both without a file.
bool is_same_backing(const CodeMapping& a, const CodeMapping& b);

// One thread.  Shared by the images of a parent and its forked children until one of them maps
// something (process_table.cpp copies it then).
//
// The kernel reports no unmap: a mapping ends when another covers it, or when /proc no longer has
// it.  A mapping that is reported again, or grows (JIT code, mprotect), is extended and keeps its
// beginning.
class MappingHistory {
 public:
  // A process may map 65,530 areas, 64 bytes each here; beyond this many mappings are refused, and
  // 100 ns to move the tail of the sorted array stay 20 us at most.
  static constexpr std::size_t kMaxCurrent = 8192;
  static constexpr std::size_t kMaxPast = 256;  // the older half is forgotten when full
  // The kernel makes a mapping usable shortly before it tells of it.
  static constexpr std::uint64_t kEarlyNs = 1'000'000;

  // `bytes` is kept equal to the memory of all histories that share it.
  explicit MappingHistory(std::size_t& bytes) : bytes_(bytes) { account(); }
  MappingHistory(const MappingHistory& other);
  MappingHistory& operator=(const MappingHistory&) = delete;
  MappingHistory(MappingHistory&&) = delete;
  MappingHistory& operator=(MappingHistory&&) = delete;
  ~MappingHistory();

  // mapping.from_ns is when it was made.  False when kMaxCurrent is reached.
  bool add(CodeMapping mapping);

  // Takes /proc's account at snapshot_ns (sorted by start): what it lacks has ended, what is new
  // was always there, but not before changed_ns where something else is known to have been.
  void merge_snapshot(std::span<const CodeMapping> snapshot, std::uint64_t changed_ns,
                      std::uint64_t snapshot_ns);
  // Forgets what came from /proc: it was read after an exec that the stream told of only later.
  void drop_snapshot();

  // The mapping at `address` at that time, or nullptr.  O(log n + kMaxPast).
  [[nodiscard]] const CodeMapping* find(std::uint64_t address, std::uint64_t time_ns) const;

  // False while mappings made before the stream began are missing.
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  void set_complete(bool is_complete) { is_complete_ = is_complete; }
  [[nodiscard]] std::uint64_t snapshot_ns() const { return snapshot_ns_; }
  // Sorted by start, without overlaps.
  [[nodiscard]] std::span<const CodeMapping> current() const { return current_; }
  // Up by one with every change of current().
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  // Whether any file-backed part of the snapshot is what is mapped now.
  [[nodiscard]] bool shares_file_with(std::span<const CodeMapping> snapshot) const;

 private:
  void end_mapping(CodeMapping mapping, std::uint64_t to_ns);
  void account();

  std::vector<CodeMapping> current_;
  std::vector<CodeMapping> past_;  // in the order they ended
  bool is_complete_ = false;
  std::uint64_t snapshot_ns_ = 0;
  std::uint64_t epoch_ = 0;
  std::size_t& bytes_;
  std::size_t own_bytes_ = 0;
};

}  // namespace waggle
