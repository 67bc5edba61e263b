// SPDX-License-Identifier: Apache-2.0
// Owner of the kernel side's unwind tables: nodes in chunks behind unw_nodes, rules in unw_rules
// (bpf/abi/unwind.h).  Not for which file has which table: unwind_tables.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bpf/abi/unwind.h"
#include "symbolizer/unwind_table.h"

namespace waggle {

// One thread.
class UnwindPool {
 public:
  // The descriptors of the maps, which stay the caller's.
  UnwindPool(int nodes_map, int rules_map) : nodes_map_(nodes_map), rules_map_(rules_map) {}

  // Those that every table may use.  Once, before the first table.
  Result<> write_fixed_rules();

  // Copies a table into free nodes; `rules`: numbers and rules that it uses.  The answer is what
  // unw_table_make() gives.  Errc::exhausted when UNW_MAX_CHUNKS are in use: nothing is taken then.
  Result<std::uint32_t> write(const UnwindTable& table, std::span<const NumberedRule> rules);

  [[nodiscard]] std::size_t node_count() const { return used_count_; }
  [[nodiscard]] std::uint64_t map_bytes() const;

 private:
  Result<> add_chunk();
  Result<> write_rules(std::span<const NumberedRule> rules);
  Result<> write_nodes(const UnwindTable& table, std::span<const std::uint32_t> numbers);

  int nodes_map_;
  int rules_map_;
  std::vector<UniqueFd> chunks_;
  std::uint32_t used_count_ = 0;  // nodes are given out in order
};

}  // namespace waggle
