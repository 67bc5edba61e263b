// SPDX-License-Identifier: Apache-2.0
// The unwind tables that the kernel side has, within a budget: a table that nobody holds stays as
// long as there is room, and the one used least lately goes first.  Not for which file has which:
// unwind_tables.h.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/result.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind_table.h"
#include "userspace/process/unwind_pool.h"

namespace waggle {

// Of one file.  Whoever writes its number where the kernel side reads it (mapping_row) holds it
// until that is overwritten.
struct PooledTable {
  std::uint32_t table = UNW_NO_TABLE;
  std::uint64_t lowest_address = 0;
  std::vector<ElfSegment> segments;  // of the file
  std::vector<std::uint32_t> nodes;
  std::vector<std::uint16_t> rules;
  mutable std::atomic<std::uint64_t> used_ns = 0;  // CLOCK_MONOTONIC, when it was last wanted
};
using PooledTableRef = std::shared_ptr<const PooledTable>;

// Any thread.  put() waits for grace periods and is for threads that may; the rest is quick.
class UnwindCache {
 public:
  // The descriptors of unw_nodes and unw_rules, which stay the caller's.
  UnwindCache(int nodes_map, int rules_map, std::size_t budget_bytes);

  // Once, before the first table.
  Result<> prepare() { return pool_.write_fixed_rules(); }
  // For the tables that put() gets.
  [[nodiscard]] UnwindRules& rules() { return rules_; }
  // Larger tables never find room.
  [[nodiscard]] std::size_t max_nodes() const { return pool_.max_nodes(); }

  // The rules of the table are the cache's from here on.  Errc::exhausted: those in use leave no
  // room for it.
  Result<PooledTableRef> put(const UnwindTable& table, std::vector<ElfSegment> segments);
  // Room for the next tables, while there is nothing else to do.
  void grow_ahead();

  // Tables that are in use now are what was used last.  About once a second.
  void mark_used();
  // Nodes that put() could have now.
  [[nodiscard]] std::size_t available_nodes() const;

  [[nodiscard]] std::uint64_t evicted_count() const { return evicted_count_; }
  [[nodiscard]] std::uint64_t map_bytes() const;

 private:
  // What tables leave behind that are no more.  A walk may be in them still.
  struct Released {
    std::mutex mutex;
    std::vector<std::uint32_t> nodes;
    std::vector<std::uint16_t> rules;

    void add(std::span<const std::uint32_t> more_nodes, std::span<const std::uint16_t> more_rules) {
      nodes.insert(nodes.end(), more_nodes.begin(), more_nodes.end());
      rules.insert(rules.end(), more_rules.begin(), more_rules.end());
    }
  };

  void evict(std::size_t node_count);
  Result<> recycle();
  Result<> make_room(std::size_t node_count);
  Result<PooledTableRef> write(const UnwindTable& table, std::vector<ElfSegment> segments);

  UnwindRules rules_;
  std::shared_ptr<Released> released_ = std::make_shared<Released>();  // outlived by no table
  mutable std::mutex writing_;
  UnwindPool pool_;  // guarded by writing_
  mutable std::mutex mutex_;
  std::vector<PooledTableRef> tables_;  // guarded by mutex_
  std::atomic<std::uint64_t> evicted_count_ = 0;
};

}  // namespace waggle
