// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/unwind_cache.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "userspace/attach/grace_period.h"
#include "userspace/process/file_time.h"

namespace waggle {

namespace {

bool is_unused(const PooledTableRef& table) {
  return table.use_count() == 1;  // the cache's own
}

}  // namespace

UnwindCache::UnwindCache(int nodes_map, int rules_map, std::size_t budget_bytes)
    : pool_(nodes_map, rules_map, budget_bytes / UNW_NODE_BYTES) {}

// A table that is taken between the look and the drop is no loss: its last holder releases it.
void UnwindCache::evict(std::size_t node_count) {
  struct Candidate {
    std::uint64_t used_ns;
    std::size_t index;
  };
  const std::scoped_lock lock(mutex_);
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    if (is_unused(tables_[i])) {
      candidates.push_back({.used_ns = tables_[i]->used_ns, .index = i});
    }
  }
  std::ranges::sort(candidates, std::less(), &Candidate::used_ns);
  std::size_t count = 0;
  for (const Candidate& candidate : candidates) {
    if (count >= node_count) {
      break;
    }
    count += tables_[candidate.index]->nodes.size();
    tables_[candidate.index] = nullptr;
    ++evicted_count_;
  }
  std::erase(tables_, nullptr);
}

// Walks that began before a table was let go of may read its nodes and rules until a grace period
// has passed.
Result<> UnwindCache::recycle() {
  std::vector<std::uint32_t> nodes;
  std::vector<std::uint16_t> rules;
  {
    const std::scoped_lock lock(released_->mutex);
    nodes.swap(released_->nodes);
    rules.swap(released_->rules);
  }
  if (nodes.empty()) {
    return {};
  }
  if (Result<> waited = wait_for_running_programs(); !waited) {
    const std::scoped_lock lock(released_->mutex);
    released_->add(nodes, rules);
    return waited;
  }
  pool_.give_back(nodes);
  rules_.release(rules);
  return {};
}

// More goes than must, so that the next tables need not wait.
Result<> UnwindCache::make_room(std::size_t node_count) {
  if (pool_.has_room(node_count)) {
    return {};
  }
  if (node_count > available_nodes()) {
    return fail(Errc::exhausted, "the memory for unwind tables is in use");
  }
  constexpr std::size_t kEvictedPart = 16;
  evict(std::max(node_count, pool_.max_nodes() / kEvictedPart));
  TRY(recycle());
  if (!pool_.has_room(node_count)) {
    return fail(Errc::exhausted, "the memory for unwind tables is in use");  // by now
  }
  return {};
}

Result<PooledTableRef> UnwindCache::write(const UnwindTable& table,
                                          std::vector<ElfSegment> segments) {
  std::vector<NumberedRule> rules;
  for (const std::uint16_t number : table.rules()) {
    rules.push_back({.number = number, .rule = rules_.at(number)});
  }
  TRY(make_room(table.nodes().size()));
  UnwindPool::Written written = TRY(pool_.write(table, rules));
  auto pooled = std::make_unique<PooledTable>();
  pooled->table = written.table;
  pooled->lowest_address = table.lowest_address();
  pooled->segments = std::move(segments);
  pooled->nodes = std::move(written.nodes);
  pooled->rules = table.rules();
  pooled->used_ns = monotonic_now_ns();
  return PooledTableRef(pooled.release(), [released = released_](const PooledTable* gone) {
    const std::unique_ptr<const PooledTable> owner(gone);
    const std::scoped_lock lock(released->mutex);
    released->add(gone->nodes, gone->rules);
  });
}

Result<PooledTableRef> UnwindCache::put(const UnwindTable& table,
                                        std::vector<ElfSegment> segments) {
  const std::scoped_lock writing(writing_);
  auto pooled = write(table, std::move(segments));
  if (!pooled) {
    rules_.release(table.rules());  // no walk saw them
    return pooled;
  }
  const std::scoped_lock lock(mutex_);
  tables_.push_back(*pooled);
  return pooled;
}

void UnwindCache::grow_ahead() {
  const std::scoped_lock writing(writing_);
  constexpr std::size_t kReserve = UNW_NODES_PER_CHUNK / 2;
  (void)pool_.grow(kReserve);  // who needs it will say
}

void UnwindCache::mark_used() {
  const std::uint64_t now = monotonic_now_ns();
  const std::scoped_lock lock(mutex_);
  for (const PooledTableRef& table : tables_) {
    if (!is_unused(table)) {
      table->used_ns = now;
    }
  }
}

std::size_t UnwindCache::available_nodes() const {
  std::size_t held = 0;
  const std::scoped_lock lock(mutex_);
  for (const PooledTableRef& table : tables_) {
    held += is_unused(table) ? 0 : table->nodes.size();
  }
  return pool_.max_nodes() - held;
}

std::uint64_t UnwindCache::map_bytes() const {
  const std::scoped_lock writing(writing_);
  return pool_.map_bytes();
}

}  // namespace waggle
