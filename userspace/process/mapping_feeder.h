// SPDX-License-Identifier: Apache-2.0
// Writes who is mapped where into the maps of the kernel side (bpf/abi/mappings.h).
// Not for where that is known from: process_table.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bpf/abi/mappings.h"
#include "userspace/process/executable_files.h"

namespace waggle {

// The pool of nodes behind an array of maps.  A node that is given back is written again only after
// recycle(): a walk in the kernel may still read it.
class MappingNodes {
 public:
  // `outer_map`: the descriptor of proc_nodes, which stays the caller's.
  explicit MappingNodes(int outer_map) : outer_map_(outer_map) {}

  // Errc::exhausted when all MAPPINGS_MAX_CHUNKS are in use.
  Result<std::uint32_t> write(const mapping_node& node);
  void give_back(std::uint32_t node) { given_back_.push_back(node); }
  // Every walk that began before the last give_back() has ended.
  void recycle();

  [[nodiscard]] std::size_t chunk_count() const { return chunks_.size(); }
  [[nodiscard]] std::uint64_t map_bytes() const;

 private:
  Result<> add_chunk();

  int outer_map_;
  std::vector<UniqueFd> chunks_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> given_back_;
};

// One thread.
class MappingFeeder {
 public:
  struct Row {
    mapping_row row;
    ExecutableFileRef file;  // kept while the row is there; none for the vDSO
  };
  struct Counters {
    std::uint64_t fed = 0;      // times a process' rows were written
    std::uint64_t refused = 0;  // times they were not: a map or the pool was full
    std::uint64_t cut = 0;      // times only the first rows found room
  };

  // The descriptors of proc_mappings and proc_nodes, which stay the caller's.
  MappingFeeder(int mappings_map, int nodes_map) : mappings_map_(mappings_map), nodes_(nodes_map) {}

  // Makes `rows` (sorted, without overlaps) what the kernel side knows of the process.  `epoch`
  // names this state: see is_current().
  Result<> feed(const process_id& process, std::uint64_t epoch, std::span<const Row> rows);
  void forget(std::uint32_t pid);
  // What is known of a file has changed (nullptr: of the vDSO): the processes that map it, which
  // are not current any more.
  std::vector<process_id> outdate(const ExecutableFile* file);
  // Once a grace period has passed since the last feed() and forget().
  void recycle() { nodes_.recycle(); }

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
  };

  Result<process_mappings> write_nodes(const process_id& process, std::span<const Row> rows,
                                       Fed& fed);
  void give_back(const Fed& fed);

  int mappings_map_;
  MappingNodes nodes_;
  std::uint64_t last_epoch_ = 0;  // of process_mappings, not feed()'s
  std::unordered_map<std::uint32_t, Fed> by_pid_;
  Counters counters_;
};

}  // namespace waggle
