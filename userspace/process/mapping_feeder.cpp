// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/mapping_feeder.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "userspace/attach/bpf_handles.h"
#include "userspace/attach/map_bytes.h"

namespace waggle {

namespace {

constexpr std::uint64_t kNoAddress = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kMaxRows =
    std::size_t{MAPPINGS_ROWS_PER_NODE} * std::size_t{MAPPINGS_NODES_PER_PROCESS};

bool is_same(const process_id& a, const process_id& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

mapping_node make_node(std::span<const MappingFeeder::Row> rows) {
  mapping_node node{};
  std::ranges::fill(
      node.rows,
      mapping_row{
          .start = kNoAddress, .end = kNoAddress, .first_frame = 0, .table = 0, .first_key = 0});
  std::ranges::transform(rows, std::begin(node.rows), &MappingFeeder::Row::row);
  return node;
}

}  // namespace

Result<> MappingNodes::add_chunk() {
  if (chunks_.size() >= MAPPINGS_MAX_CHUNKS) {
    return fail(Errc::exhausted, "proc_nodes is full");
  }
  UniqueFd chunk = TRY(create_map(BPF_MAP_TYPE_ARRAY, "proc_chunk", sizeof(std::uint32_t),
                                  sizeof(mapping_node), MAPPINGS_NODES_PER_CHUNK));
  const auto slot = static_cast<std::uint32_t>(chunks_.size());
  const int fd = chunk.get();
  if (bpf_map_update_elem(outer_map_, &slot, &fd, BPF_ANY) != 0) {
    return fail_errno("put a chunk into proc_nodes", errno);
  }
  chunks_.push_back(std::move(chunk));
  for (std::uint32_t i = MAPPINGS_NODES_PER_CHUNK; i-- > 0;) {
    free_.push_back(slot * MAPPINGS_NODES_PER_CHUNK + i);
  }
  return {};
}

Result<std::uint32_t> MappingNodes::write(const mapping_node& node) {
  if (free_.empty()) {
    TRY(add_chunk());
  }
  const std::uint32_t number = free_.back();
  const std::uint32_t at = number % MAPPINGS_NODES_PER_CHUNK;
  const int chunk = chunks_[number / MAPPINGS_NODES_PER_CHUNK].get();
  if (bpf_map_update_elem(chunk, &at, &node, BPF_ANY) != 0) {
    return fail_errno("write a node of proc_nodes", errno);
  }
  free_.pop_back();
  return number;
}

void MappingNodes::recycle() {
  free_.insert(free_.end(), given_back_.begin(), given_back_.end());
  given_back_.clear();
}

std::uint64_t MappingNodes::map_bytes() const {
  std::uint64_t sum = 0;
  for (const UniqueFd& chunk : chunks_) {
    sum += waggle::map_bytes(chunk.get()).value_or(0);
  }
  return sum;
}

Result<process_mappings> MappingFeeder::write_nodes(const process_id& process,
                                                    std::span<const Row> rows, Fed& fed) {
  process_mappings entry{
      .process = process, .epoch = ++last_epoch_, .node_starts = {}, .nodes = {}};
  std::ranges::fill(entry.node_starts, kNoAddress);
  for (std::size_t i = 0; !rows.empty(); ++i) {
    const auto part = rows.first(std::min<std::size_t>(rows.size(), MAPPINGS_ROWS_PER_NODE));
    rows = rows.subspan(part.size());
    entry.node_starts[i] = part.front().row.start;
    entry.nodes[i] = TRY(nodes_.write(make_node(part)));
    fed.nodes.push_back(entry.nodes[i]);
    std::ranges::transform(part, std::back_inserter(fed.files), &Row::file);
  }
  return entry;
}

Result<> MappingFeeder::feed(const process_id& process, std::uint64_t epoch,
                             std::span<const Row> rows) {
  if (rows.size() > kMaxRows) {
    ++counters_.cut;
    rows = rows.first(kMaxRows);
  }
  Fed fed{.process = process, .epoch = epoch, .is_outdated = false, .nodes = {}, .files = {}};
  Result<process_mappings> entry = write_nodes(process, rows, fed);
  Result<> written;
  if (!entry) {
    written = std::unexpected(std::move(entry).error());
  } else if (bpf_map_update_elem(mappings_map_, &process, &*entry, BPF_ANY) != 0) {
    written = fail_errno("write proc_mappings", errno);
  }
  if (!written) {
    ++counters_.refused;
    give_back(fed);
    return written;
  }
  ++counters_.fed;
  const auto [known, is_new] = by_pid_.try_emplace(process.tgid);
  Fed old = std::exchange(known->second, std::move(fed));
  if (!is_new) {
    give_back(old);
    if (!is_same(old.process, process)) {
      (void)bpf_map_delete_elem(mappings_map_, &old.process);  // an older image of the pid
    }
  }
  return {};
}

void MappingFeeder::give_back(const Fed& fed) {
  std::ranges::for_each(fed.nodes, [this](std::uint32_t node) { nodes_.give_back(node); });
}

void MappingFeeder::forget(std::uint32_t pid) {
  const auto known = by_pid_.find(pid);
  if (known == by_pid_.end()) {
    return;
  }
  (void)bpf_map_delete_elem(mappings_map_, &known->second.process);  // it is there
  give_back(known->second);
  by_pid_.erase(known);
}

bool MappingFeeder::is_current(const process_id& process, std::uint64_t epoch) const {
  const auto known = by_pid_.find(process.tgid);
  return known != by_pid_.end() && !known->second.is_outdated && known->second.epoch == epoch &&
         is_same(known->second.process, process);
}

std::vector<process_id> MappingFeeder::outdate(const ExecutableFile* file) {
  std::vector<process_id> outdated;
  for (auto& [pid, fed] : by_pid_) {
    const bool has_it = std::ranges::any_of(
        fed.files, [&](const ExecutableFileRef& known) { return known.get() == file; });
    if (has_it) {
      fed.is_outdated = true;
      outdated.push_back(fed.process);
    }
  }
  return outdated;
}

const process_id* MappingFeeder::find(std::uint32_t pid) const {
  const auto known = by_pid_.find(pid);
  return known == by_pid_.end() ? nullptr : &known->second.process;
}

}  // namespace waggle
