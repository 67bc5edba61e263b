// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/unwind_tables.h"

#include <fmt/core.h>
#include <time.h>

#include <utility>

#include "userspace/process/file_time.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxEntries = 16384;
constexpr std::uint32_t kVdsoId = 0;  // as no file has it

std::uint32_t id_of(const ExecutableFileRef& file) {
  return file == nullptr ? kVdsoId : file->id;
}

std::string name_of(const ExecutableFileRef& file) {
  return file == nullptr ? "[vdso]" : file->name;
}

// The executable segment that a mapping of the file shows.  The kernel maps whole pages, so the
// mapping may begin before the segment does.
const ElfSegment* find_segment(const std::vector<ElfSegment>& segments, std::uint64_t file_offset,
                               std::uint64_t size) {
  for (const ElfSegment& segment : segments) {
    const bool overlaps =
        file_offset < segment.offset + segment.file_size && segment.offset < file_offset + size;
    if (segment.is_executable() && overlaps) {
      return &segment;
    }
  }
  return nullptr;
}

}  // namespace

Result<UnwindTables> UnwindTables::start(int nodes_map, int rules_map, std::size_t budget_bytes,
                                         std::unique_ptr<UnwindTableFiles> files, CpuPacer* pacer) {
  auto cache = std::make_unique<UnwindCache>(nodes_map, rules_map, budget_bytes);
  TRY(cache->prepare());
  auto compiler = TRY(UnwindCompiler::start(*cache, files.get(), pacer));
  return UnwindTables(std::move(cache), std::move(files), std::move(compiler));
}

void UnwindTables::ask(Entry& entry, const ExecutableFileRef& file, const FilePlace& place,
                       UnwindUrgency urgency) {
  entry.state = State::asked;
  if (urgency == UnwindUrgency::sampled) {
    make_urgent(entry);
  }
  compiler_->compile(file, place, urgency);
}

void UnwindTables::make_urgent(Entry& entry) {
  urgent_count_ += entry.is_urgent ? 0 : 1;
  entry.is_urgent = true;
}

void UnwindTables::want(const ExecutableFileRef& file, const FilePlace& place,
                        UnwindUrgency urgency) {
  if (entries_.size() >= kMaxEntries) {
    forget_old();
  }
  const auto [known, is_new] = entries_.try_emplace(id_of(file));
  Entry& entry = known->second;
  if (is_new || (entry.state == State::ready && entry.table.expired())) {
    ask(entry, file, place, urgency);
  } else if (entry.state == State::asked && urgency == UnwindUrgency::sampled && !entry.is_urgent) {
    make_urgent(entry);
    compiler_->hurry(file);
  }
}

UnwindTables::Place UnwindTables::find(const ExecutableFileRef& file, const FilePlace& place,
                                       std::uint64_t file_offset, std::uint64_t size) {
  want(file, place, UnwindUrgency::sampled);
  const Entry& entry = entries_.at(id_of(file));
  PooledTableRef table = entry.table.lock();
  if (table == nullptr) {
    return {.table = entry.state == State::asked ? UNW_TABLE_PENDING : UNW_NO_TABLE,
            .first_key = 0,
            .keeps = nullptr};
  }
  const ElfSegment* segment = find_segment(table->segments, file_offset, size);
  if (segment == nullptr) {
    return {};
  }
  table->used_ns = monotonic_now_ns();
  const std::uint64_t address = segment->address - segment->offset + file_offset;
  const auto first_key = static_cast<std::uint32_t>(address - table->lowest_address);
  return {.table = table->table, .first_key = first_key, .keeps = std::move(table)};
}

void UnwindTables::note_problem(const ExecutableFileRef& file, std::string reason) {
  if (problem_count_ < kMaxProblems) {
    ++problem_count_;
    problems_.push_back({.file = name_of(file), .reason = std::move(reason)});
  }
}

void UnwindTables::note_failure(Entry& entry, CompiledTable compiled) {
  const Error& error = compiled.table.error();
  if (error.code == Errc::not_found) {
    entry.state = State::without;
    ++counters_.without;
    return;
  }
  if (error.code == Errc::exhausted && compiled.node_count != 0) {
    entry.state = State::no_room;
    if (++counters_.no_room == 1) {
      note_problem(compiled.file,
                   fmt::format("no room for its unwind table, all {} KiB are in use (record fewer "
                               "processes: -p)",
                               cache_->max_nodes() * UNW_NODE_BYTES / 1024));
    }
    denied_.push_back({.file = std::move(compiled.file),
                       .place = std::move(compiled.place),
                       .node_count = compiled.node_count});
    return;
  }
  entry.state = State::refused;
  ++counters_.refused;
  note_problem(compiled.file, "no unwind table: " + error.what);
}

std::vector<UnwindTables::Done> UnwindTables::take_done() {
  std::vector<Done> done;
  for (CompiledTable& compiled : compiler_->take()) {
    Entry& entry = entries_[id_of(compiled.file)];
    urgent_count_ -= std::exchange(entry.is_urgent, false) ? 1 : 0;
    counters_.malformed += compiled.facts.malformed_functions;
    counters_.no_rule += compiled.facts.refused_rows;
    if (!compiled.table) {
      done.push_back({.file = compiled.file, .keeps = nullptr});
      note_failure(entry, std::move(compiled));
      continue;
    }
    if (compiled.facts.malformed_functions != 0) {
      note_problem(compiled.file,
                   fmt::format("malformed call frame information of {} of its {} functions",
                               compiled.facts.malformed_functions, compiled.facts.function_count));
    }
    ++counters_.compiled;
    counters_.again += entry.had_table ? 1 : 0;
    entry = {
        .state = State::ready, .is_urgent = false, .had_table = true, .table = *compiled.table};
    done.push_back({.file = std::move(compiled.file), .keeps = *std::move(compiled.table)});
  }
  return done;
}

// Room for a file whose table was denied may come when processes end.  Nobody else may want it by
// then: it is kept as any other.
void UnwindTables::housekeep() {
  cache_->mark_used();
  if (denied_.empty()) {
    return;
  }
  std::size_t available = cache_->available_nodes();
  std::erase_if(denied_, [&](const Denied& denied) {
    const auto entry = entries_.find(id_of(denied.file));
    if (entry == entries_.end() || entry->second.state != State::no_room) {
      return true;
    }
    if (denied.node_count > available) {
      return false;
    }
    available -= denied.node_count;
    ask(entry->second, denied.file, denied.place, UnwindUrgency::sampled);
    return true;
  });
}

// What is not here is asked for when it is wanted.
void UnwindTables::forget_old() {
  std::erase_if(entries_, [](const auto& entry) {
    return entry.second.state != State::asked && entry.second.table.expired();
  });
}

UnwindTables::Counters UnwindTables::counters() const {
  Counters counters = counters_;
  counters.evicted = cache_->evicted_count();
  return counters;
}

std::vector<UnwindTables::Problem> UnwindTables::take_problems() {
  return std::exchange(problems_, {});
}

}  // namespace waggle
