// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/unwind_pool.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/mapping.h"

namespace waggle {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{UNW_NODES_PER_CHUNK} * UNW_NODE_BYTES;
constexpr std::size_t kMostNodes = std::size_t{UNW_MAX_CHUNKS} * UNW_NODES_PER_CHUNK;

// Chunks come four at a time: they wait for one grace period then.
constexpr std::size_t kGrowNodes = std::size_t{4} * UNW_NODES_PER_CHUNK;

constexpr NodePool::Shape kShape{.chunk_name = "unw_chunk",
                                 .node_bytes = UNW_NODE_BYTES,
                                 .nodes_per_chunk = UNW_NODES_PER_CHUNK,
                                 .max_chunks = UNW_MAX_CHUNKS,
                                 .map_flags = BPF_F_MMAPABLE};

}  // namespace

UnwindPool::UnwindPool(int nodes_map, int rules_map, std::size_t max_nodes)
    : nodes_(nodes_map, kShape),
      rules_map_(rules_map),
      max_nodes_(std::min(max_nodes, kMostNodes)) {}

Result<> UnwindPool::write_fixed_rules() {
  constexpr NumberedRule kFixed[] = {
      {.number = UNW_RULE_FRAME_POINTER, .rule = fixed_rule(UNW_CFA_FRAME_POINTER)},
      {.number = UNW_RULE_UNSUPPORTED, .rule = fixed_rule(UNW_CFA_UNSUPPORTED)},
      {.number = UNW_RULE_END, .rule = fixed_rule(UNW_CFA_END)}};
  return write_rules(kFixed);
}

Result<> UnwindPool::write_rules(std::span<const NumberedRule> rules) {
  for (const NumberedRule& rule : rules) {
    const std::uint32_t number = rule.number;
    if (bpf_map_update_elem(rules_map_, &number, &rule.rule, BPF_ANY) != 0) {
      return fail_errno("write unw_rules", errno);
    }
  }
  return {};
}

// A chunk is mapped only while it is written: its pages would count twice otherwise.
Result<> UnwindPool::write_nodes(const UnwindTable& table, std::span<const std::uint32_t> numbers) {
  std::optional<Mapping> chunk;
  int mapped_fd = -1;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const int fd = nodes_.chunk_fd(numbers[i]);
    if (fd != mapped_fd) {
      chunk.reset();
      chunk.emplace(TRY(Mapping::map_shared(fd, kChunkBytes, PROT_READ | PROT_WRITE)));
      mapped_fd = fd;
    }
    unw_node node;
    table.copy_node(i, numbers, node);
    const std::size_t at = numbers[i] % UNW_NODES_PER_CHUNK;
    std::memcpy(chunk->bytes().data() + at * UNW_NODE_BYTES, &node, sizeof(node));
  }
  return {};
}

Result<> UnwindPool::grow(std::size_t node_count) {
  if (node_count <= nodes_.free_count()) {
    return {};
  }
  const std::size_t wanted = std::max(node_count, nodes_.free_count() + kGrowNodes);
  return nodes_.make_room(std::min(wanted, max_nodes_ - used_count_));
}

Result<UnwindPool::Written> UnwindPool::write(const UnwindTable& table,
                                              std::span<const NumberedRule> rules) {
  const std::size_t count = table.nodes().size();
  CHECK(has_room(count));
  TRY(grow(count));
  TRY(write_rules(rules));
  Written written;
  written.nodes.resize(count);
  std::ranges::generate(written.nodes, [this] { return nodes_.take(); });
  std::ranges::sort(written.nodes);  // so that a chunk is mapped once
  used_count_ += count;
  if (Result<> copied = write_nodes(table, written.nodes); !copied) {
    give_back(written.nodes);
    return std::unexpected(std::move(copied).error());
  }
  written.table = unw_table_make(table.tree(written.nodes));
  return written;
}

void UnwindPool::give_back(std::span<const std::uint32_t> nodes) {
  std::ranges::for_each(nodes, [this](std::uint32_t node) { nodes_.give_back(node); });
  used_count_ -= nodes.size();
}

}  // namespace waggle
