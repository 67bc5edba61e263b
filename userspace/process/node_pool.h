// SPDX-License-Identifier: Apache-2.0
// Nodes of equal size in chunks behind an array of maps, which the kernel side reads by number
// (proc_nodes, unw_nodes).  Not for what is in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace waggle {

// One thread at a time.  Chunks stay until the end: a program may be reading one.
class NodePool {
 public:
  struct Shape {
    const char* chunk_name;
    std::uint32_t node_bytes;
    std::uint32_t nodes_per_chunk;
    std::uint32_t max_chunks;
    std::uint32_t map_flags;
  };
  // `outer_map`: the descriptor of the array of maps, which stays the caller's.
  NodePool(int outer_map, const Shape& shape) : outer_map_(outer_map), shape_(shape) {}

  // Chunks for `count` free nodes.  Waits for a grace period (16 ms) when chunks are added, however
  // many.  Errc::exhausted when max_chunks are not enough.
  Result<> make_room(std::size_t count);
  // A free node; there must be one.
  std::uint32_t take();
  // Nobody reads it any more.
  void give_back(std::uint32_t node) { free_.push_back(node); }

  [[nodiscard]] std::size_t free_count() const { return free_.size(); }
  [[nodiscard]] std::size_t chunk_count() const { return chunks_.size(); }
  // Of the chunk that holds the node, which is at number % nodes_per_chunk in it.
  [[nodiscard]] int chunk_fd(std::uint32_t node) const {
    return chunks_[node / shape_.nodes_per_chunk].get();
  }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  // By the kernel's own account.
  [[nodiscard]] std::uint64_t map_bytes() const;

 private:
  Result<> insert(std::span<const UniqueFd> chunks);

  int outer_map_;
  Shape shape_;
  std::vector<UniqueFd> chunks_;
  std::vector<std::uint32_t> free_;  // the last is taken first
};

}  // namespace waggle
