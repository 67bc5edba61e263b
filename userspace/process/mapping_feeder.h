// SPDX-License-Identifier: Apache-2.0
// Writes who is mapped where into the maps of the kernel side (bpf/abi/mappings.h).
// Not for where that is known from: process_table.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "bpf/abi/mappings.h"
#include "userspace/process/executable_files.h"
#include "userspace/process/node_pool.h"
#include "userspace/process/unwind_cache.h"

namespace waggle {

// One thread.
class MappingFeeder {
 public:
  struct Row {
    mapping_row row;
    // Both are kept while the row is there.
    ExecutableFileRef file;  // none for the vDSO
    PooledTableRef table;    // none: row.table is UNW_NO_TABLE
  };
  // Of a process.
  static constexpr std::size_t kMaxRows =
      std::size_t{MAPPINGS_ROWS_PER_NODE} * std::size_t{MAPPINGS_NODES_PER_PROCESS};
  struct Counters {
    std::uint64_t fed = 0;      // times a process' rows were written
    std::uint64_t refused = 0;  // times they were not: a map or the pool was full
    std::uint64_t cut = 0;      // times only the first kMaxRows were
  };

  // The descriptors of proc_mappings and proc_nodes, and proc_version, which stay the caller's.
  MappingFeeder(int mappings_map, int nodes_map, volatile __u64& version);

  // Room for the first processes.  Waits for a grace period (16 ms).
  Result<> make_room() { return nodes_.make_room(1); }

  // Makes `rows` (kMaxRows at most, sorted, without overlaps) what the kernel side knows of the
  // process.  `epoch` names this state: see is_current().
  struct Facts {
    bool is_cut = false;      // it has more than the rows
    bool has_python = false;  // py_processes knows it
  };
  Result<> feed(const process_id& process, std::uint64_t epoch, std::span<const Row> rows,
                const Facts& facts);
  // Something that walks depend on was written by others: what CPUs remember is looked up again.
  void tell_change();
  void forget(std::uint32_t pid);
  // What is known of some files has changed (nullptr: of the vDSO): the processes that map them,
  // which are not current any more.
  std::vector<process_id> outdate(const std::unordered_set<const ExecutableFile*>& files);
  // Once a grace period has passed since the last feed() and forget(): a walk in the kernel may
  // read the nodes that were given back until then.
  void recycle();
  // All processes that the kernel side knows.
  [[nodiscard]] std::vector<process_id> known() const;

  [[nodiscard]] bool is_current(const process_id& process, std::uint64_t epoch) const;
  // The instance of `pid` that the kernel side knows, or nullptr.
  [[nodiscard]] const process_id* find(std::uint32_t pid) const;
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] std::uint64_t node_bytes() const { return nodes_.map_bytes(); }

 private:
  struct Fed {
    process_id process;
    std::uint64_t epoch;
    bool is_outdated;  // something else than its epoch has changed
    std::vector<std::uint32_t> nodes;
    std::vector<ExecutableFileRef> files;
    std::vector<PooledTableRef> tables;
  };

  Result<std::uint32_t> write_node(std::span<const Row> rows);
  Result<process_mappings> write_nodes(const process_id& process, std::span<const Row> rows,
                                       Fed& fed);
  void give_back(const Fed& fed);

  int mappings_map_;
  volatile __u64& version_;
  NodePool nodes_;
  std::vector<std::uint32_t> given_back_;
  std::uint64_t last_epoch_ = 0;  // of process_mappings, not feed()'s
  std::unordered_map<std::uint32_t, Fed> by_pid_;
  Counters counters_;
};

}  // namespace waggle
