// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/unwind_pool.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <numeric>
#include <optional>

#include "base/mapping.h"
#include "userspace/attach/bpf_handles.h"
#include "userspace/attach/map_bytes.h"

namespace waggle {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{UNW_NODES_PER_CHUNK} * UNW_NODE_BYTES;

}  // namespace

Result<> UnwindPool::add_chunk() {
  UniqueFd chunk = TRY(create_map(BPF_MAP_TYPE_ARRAY, "unw_chunk", sizeof(std::uint32_t),
                                  UNW_NODE_BYTES, UNW_NODES_PER_CHUNK, BPF_F_MMAPABLE));
  const auto slot = static_cast<std::uint32_t>(chunks_.size());
  const int fd = chunk.get();
  if (bpf_map_update_elem(nodes_map_, &slot, &fd, BPF_ANY) != 0) {
    return fail_errno("put a chunk into unw_nodes", errno);
  }
  chunks_.push_back(std::move(chunk));
  return {};
}

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
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::uint32_t at = numbers[i] % UNW_NODES_PER_CHUNK;
    if (!chunk || at == 0) {
      const int fd = chunks_[numbers[i] / UNW_NODES_PER_CHUNK].get();
      chunk.reset();
      chunk.emplace(TRY(Mapping::map_shared(fd, kChunkBytes, PROT_READ | PROT_WRITE)));
    }
    unw_node node;
    table.copy_node(i, numbers, node);
    std::memcpy(chunk->bytes().data() + std::size_t{at} * UNW_NODE_BYTES, &node, sizeof(node));
  }
  return {};
}

Result<std::uint32_t> UnwindPool::write(const UnwindTable& table,
                                        std::span<const NumberedRule> rules) {
  const std::size_t count = table.nodes().size();
  constexpr std::size_t kMaxNodes = std::size_t{UNW_MAX_CHUNKS} * UNW_NODES_PER_CHUNK;
  if (count > kMaxNodes - used_count_) {
    return fail(Errc::exhausted, "unw_nodes is full");
  }
  while (chunks_.size() * UNW_NODES_PER_CHUNK < used_count_ + count) {
    TRY(add_chunk());
  }
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), used_count_);
  TRY(write_rules(rules));
  TRY(write_nodes(table, numbers));
  used_count_ += static_cast<std::uint32_t>(count);
  return unw_table_make(table.tree(numbers));
}

std::uint64_t UnwindPool::map_bytes() const {
  std::uint64_t sum = 0;
  for (const UniqueFd& chunk : chunks_) {
    sum += waggle::map_bytes(chunk.get()).value_or(0);
  }
  return sum;
}

}  // namespace waggle
