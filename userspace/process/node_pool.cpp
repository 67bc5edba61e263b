// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/node_pool.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <numeric>

#include "base/check.h"
#include "userspace/attach/bpf_handles.h"
#include "userspace/attach/map_bytes.h"

namespace waggle {

// Each update of an array of maps waits for a grace period, a batch for one in all.  Kernels before
// 5.14 have no batches here.
Result<> NodePool::insert(std::span<const UniqueFd> chunks) {
  std::vector<std::uint32_t> slots(chunks.size());
  std::iota(slots.begin(), slots.end(), static_cast<std::uint32_t>(chunks_.size()));
  std::vector<int> fds;
  std::ranges::transform(chunks, std::back_inserter(fds), &UniqueFd::get);
  auto count = static_cast<std::uint32_t>(chunks.size());
  if (bpf_map_update_batch(outer_map_, slots.data(), fds.data(), &count, nullptr) == 0) {
    return {};
  }
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (bpf_map_update_elem(outer_map_, &slots[i], &fds[i], BPF_ANY) != 0) {
      return fail_errno(fmt::format("add a {}", shape_.chunk_name), errno);
    }
  }
  return {};
}

Result<> NodePool::make_room(std::size_t count) {
  const std::size_t missing = count - std::min(count, free_.size());
  const std::size_t chunk_count = (missing + shape_.nodes_per_chunk - 1) / shape_.nodes_per_chunk;
  if (chunk_count == 0) {
    return {};
  }
  if (chunk_count > shape_.max_chunks - chunks_.size()) {
    return fail(Errc::exhausted,
                fmt::format("all {} of {} are in use", shape_.chunk_name, shape_.max_chunks));
  }
  std::vector<UniqueFd> chunks;
  for (std::size_t i = 0; i < chunk_count; ++i) {
    chunks.push_back(TRY(create_map(BPF_MAP_TYPE_ARRAY, shape_.chunk_name, sizeof(std::uint32_t),
                                    shape_.node_bytes, shape_.nodes_per_chunk, shape_.map_flags)));
  }
  TRY(insert(chunks));
  const auto first = static_cast<std::uint32_t>(chunks_.size()) * shape_.nodes_per_chunk;
  const auto end = first + static_cast<std::uint32_t>(chunk_count) * shape_.nodes_per_chunk;
  std::vector<std::uint32_t> fresh(end - first);
  std::iota(fresh.rbegin(), fresh.rend(), first);
  free_.insert(free_.begin(), fresh.begin(), fresh.end());  // used ones are taken first
  std::ranges::move(chunks, std::back_inserter(chunks_));
  return {};
}

std::uint32_t NodePool::take() {
  CHECK(!free_.empty());
  const std::uint32_t node = free_.back();
  free_.pop_back();
  return node;
}

std::uint64_t NodePool::map_bytes() const {
  return std::accumulate(chunks_.begin(), chunks_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const UniqueFd& chunk) {
                           return sum + waggle::map_bytes(chunk.get()).value_or(0);
                         });
}

}  // namespace waggle
