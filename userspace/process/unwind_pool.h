// SPDX-License-Identifier: Apache-2.0
// Owner of the kernel side's unwind tables: nodes in chunks behind unw_nodes, rules in unw_rules
// (bpf/abi/unwind.h).  Not for when a table is there and when it goes: unwind_cache.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "bpf/abi/unwind.h"
#include "symbolizer/unwind_table.h"
#include "userspace/process/node_pool.h"

namespace waggle {

// One thread at a time.
class UnwindPool {
 public:
  struct Written {
    std::uint32_t table = UNW_NO_TABLE;  // as unw_table_make() gives it
    std::vector<std::uint32_t> nodes;
  };

  // The descriptors of the maps, which stay the caller's.  `max_nodes`: of all tables together.
  UnwindPool(int nodes_map, int rules_map, std::size_t max_nodes);

  // Those that every table may use.  Once, before the first table.
  Result<> write_fixed_rules();

  [[nodiscard]] bool has_room(std::size_t node_count) const {
    return node_count <= max_nodes_ - used_count_;
  }
  // Chunks for that many more nodes, as far as max_nodes allows.  May wait for a grace period.
  Result<> grow(std::size_t node_count);
  // Copies a table, for which there must be room, into free nodes; `rules`: numbers and rules that
  // it uses.
  Result<Written> write(const UnwindTable& table, std::span<const NumberedRule> rules);
  // No walk reads them any more.
  void give_back(std::span<const std::uint32_t> nodes);

  [[nodiscard]] std::size_t max_nodes() const { return max_nodes_; }
  [[nodiscard]] std::size_t used_count() const { return used_count_; }
  [[nodiscard]] std::size_t free_count() const { return nodes_.free_count(); }
  [[nodiscard]] std::uint64_t map_bytes() const { return nodes_.map_bytes(); }

 private:
  Result<> write_rules(std::span<const NumberedRule> rules);
  Result<> write_nodes(const UnwindTable& table, std::span<const std::uint32_t> numbers);

  NodePool nodes_;
  int rules_map_;
  std::size_t max_nodes_;
  std::size_t used_count_ = 0;
};

}  // namespace waggle
