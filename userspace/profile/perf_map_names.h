// SPDX-License-Identifier: Apache-2.0
// The names in the perf maps of many processes, read again as they grow.
// Not for finding the files: userspace/process/perf_map_files.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "symbolizer/perf_map.h"
#include "userspace/process/perf_map_files.h"

namespace waggle {

// One thread, the resolver's.  The maps least recently used go first when `limit_bytes` is reached.
class PerfMapNames {
 public:
  explicit PerfMapNames(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // An address that has no name yet has the file read again when it has grown.  Reading again costs
  // a tenth of the thread's time at most, over all files: any user can write 64 MiB a second.
  // The text is valid until the next call.
  std::optional<std::string_view> find(const PerfMapFileRef& file, std::uint64_t address);

  [[nodiscard]] std::uint64_t read_count() const { return read_count_; }

 private:
  struct Entry {
    PerfMapFileRef file;  // keeps its id in use
    PerfMap map;
    std::uint64_t file_bytes;  // when it was read
    std::size_t memory_bytes;
  };
  using Entries = std::list<Entry>;  // most recently used first

  Entry& entry_of(const PerfMapFileRef& file);
  void read(Entry& entry);
  void evict();

  std::size_t limit_bytes_;
  Entries entries_;
  std::unordered_map<std::uint64_t, Entries::iterator> index_;
  std::size_t bytes_ = 0;
  std::chrono::steady_clock::time_point next_reread_;
  std::uint64_t read_count_ = 0;
};

}  // namespace waggle
