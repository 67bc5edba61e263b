// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/mapping_feeder.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"

namespace waggle {

namespace {

constexpr std::uint64_t kNoAddress = std::numeric_limits<std::uint64_t>::max();

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

constexpr NodePool::Shape kShape{.chunk_name = "proc_chunk",
                                 .node_bytes = sizeof(mapping_node),
                                 .nodes_per_chunk = MAPPINGS_NODES_PER_CHUNK,
                                 .max_chunks = MAPPINGS_MAX_CHUNKS,
                                 .map_flags = 0};

}  // namespace

MappingFeeder::MappingFeeder(int mappings_map, int nodes_map, volatile __u64& version)
    : mappings_map_(mappings_map), version_(version), nodes_(nodes_map, kShape) {}

Result<std::uint32_t> MappingFeeder::write_node(std::span<const Row> rows) {
  TRY(nodes_.make_room(1));
  const mapping_node node = make_node(rows);
  const std::uint32_t number = nodes_.take();
  const std::uint32_t at = number % MAPPINGS_NODES_PER_CHUNK;
  if (bpf_map_update_elem(nodes_.chunk_fd(number), &at, &node, BPF_ANY) != 0) {
    const int error = errno;
    nodes_.give_back(number);
    return fail_errno("write a node of proc_nodes", error);
  }
  return number;
}

Result<process_mappings> MappingFeeder::write_nodes(const process_id& process,
                                                    std::span<const Row> rows, Fed& fed) {
  process_mappings entry{.process = process,
                         .epoch = ++last_epoch_,
                         .has_python = 0,
                         .changed_start = 0,
                         .changed_end = 0,
                         .changed_until_ns = 0,
                         .node_starts = {},
                         .nodes = {}};
  std::ranges::fill(entry.node_starts, kNoAddress);
  for (std::size_t i = 0; !rows.empty(); ++i) {
    const auto part = rows.first(std::min<std::size_t>(rows.size(), MAPPINGS_ROWS_PER_NODE));
    rows = rows.subspan(part.size());
    entry.node_starts[i] = part.front().row.start;
    entry.nodes[i] = TRY(write_node(part));
    fed.nodes.push_back(entry.nodes[i]);
    std::ranges::transform(part, std::back_inserter(fed.files), &Row::file);
    std::ranges::transform(part, std::back_inserter(fed.tables), &Row::table);
  }
  return entry;
}

Result<> MappingFeeder::feed(const process_id& process, std::uint64_t epoch,
                             std::span<const Row> rows, const Facts& facts) {
  CHECK(rows.size() <= kMaxRows);
  Fed fed{.process = process,
          .epoch = epoch,
          .is_outdated = false,
          .nodes = {},
          .files = {},
          .tables = {}};
  Result<process_mappings> entry = write_nodes(process, rows, fed);
  Result<> written;
  if (entry) {
    entry->has_python = facts.has_python ? 1 : 0;
  }
  if (!entry) {
    written = std::unexpected(std::move(entry).error());
  } else if (bpf_map_update_elem(mappings_map_, &process, &*entry, BPF_ANY) != 0) {
    written = fail_errno("write proc_mappings", errno);
  }
  tell_change();
  if (!written) {
    ++counters_.refused;
    give_back(fed);
    return written;
  }
  ++counters_.fed;
  counters_.cut += facts.is_cut ? 1 : 0;
  const auto [known, is_new] = by_pid_.try_emplace(process.tgid);
  Fed old = std::exchange(known->second, std::move(fed));
  if (!is_new) {
    give_back(old);
    if (!is_same(old.process, process)) {
      (void)bpf_map_delete_elem(mappings_map_, &old.process);  // an older image of the pid
      tell_change();
    }
  }
  return {};
}

void MappingFeeder::tell_change() {
  // The kernel side adds too.  Not before what it tells of.
  __atomic_fetch_add(&version_, 1, __ATOMIC_SEQ_CST);
}

void MappingFeeder::give_back(const Fed& fed) {
  given_back_.insert(given_back_.end(), fed.nodes.begin(), fed.nodes.end());
}

void MappingFeeder::recycle() {
  std::ranges::for_each(given_back_, [this](std::uint32_t node) { nodes_.give_back(node); });
  given_back_.clear();
}

void MappingFeeder::forget(std::uint32_t pid) {
  const auto known = by_pid_.find(pid);
  if (known == by_pid_.end()) {
    return;
  }
  (void)bpf_map_delete_elem(mappings_map_, &known->second.process);  // it is there
  tell_change();
  give_back(known->second);
  by_pid_.erase(known);
}

bool MappingFeeder::is_current(const process_id& process, std::uint64_t epoch) const {
  const auto known = by_pid_.find(process.tgid);
  return known != by_pid_.end() && !known->second.is_outdated && known->second.epoch == epoch &&
         is_same(known->second.process, process);
}

std::vector<process_id> MappingFeeder::outdate(
    const std::unordered_set<const ExecutableFile*>& files) {
  std::vector<process_id> outdated;
  for (auto& [pid, fed] : by_pid_) {
    const bool has_one = std::ranges::any_of(
        fed.files, [&](const ExecutableFileRef& file) { return files.contains(file.get()); });
    if (has_one) {
      fed.is_outdated = true;
      outdated.push_back(fed.process);
    }
  }
  return outdated;
}

std::vector<process_id> MappingFeeder::known() const {
  std::vector<process_id> known;
  for (const auto& [pid, fed] : by_pid_) {
    known.push_back(fed.process);
  }
  return known;
}

const process_id* MappingFeeder::find(std::uint32_t pid) const {
  const auto known = by_pid_.find(pid);
  return known == by_pid_.end() ? nullptr : &known->second.process;
}

}  // namespace waggle
