// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/unwind_tables.h"

#include <utility>

namespace waggle {

namespace {

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

Result<UnwindTables> UnwindTables::start(int nodes_map, int rules_map) {
  UnwindPool pool(nodes_map, rules_map);
  TRY(pool.write_fixed_rules());
  return UnwindTables(std::move(pool), TRY(UnwindCompiler::start()));
}

void UnwindTables::want(const ExecutableFileRef& file, const FilePlace& place) {
  const auto [known, is_new] = entries_.try_emplace(file.get());
  if (is_new) {
    known->second.file = file;
    compiler_->compile(file, place);
  }
}

UnwindTables::Place UnwindTables::find(const ExecutableFileRef& file, const FilePlace& place,
                                       std::uint64_t file_offset, std::uint64_t size) {
  want(file, place);
  const Entry& entry = entries_.at(file.get());
  const ElfSegment* segment = find_segment(entry.segments, file_offset, size);
  if (segment == nullptr) {
    return {.table = entry.table == UNW_TABLE_PENDING ? UNW_TABLE_PENDING : UNW_NO_TABLE};
  }
  const std::uint64_t address = segment->address - segment->offset + file_offset;
  return {.table = entry.table,
          .first_key = static_cast<std::uint32_t>(address - entry.lowest_address)};
}

void UnwindTables::put(CompiledTable compiled) {
  Entry& entry = entries_.at(compiled.file.get());
  entry.table = UNW_NO_TABLE;
  if (!compiled.table) {
    const bool is_without = compiled.table.error().code == Errc::not_found;
    ++(is_without ? counters_.without : counters_.refused);
    return;
  }
  const auto table = pool_.write(*compiled.table, compiled.rules);
  if (!table) {
    ++counters_.refused;
    return;
  }
  ++counters_.compiled;
  entry.table = *table;
  entry.lowest_address = compiled.table->lowest_address();
  entry.segments = std::move(compiled.segments);
}

std::vector<ExecutableFileRef> UnwindTables::take_done() {
  std::vector<ExecutableFileRef> done;
  for (CompiledTable& compiled : compiler_->take()) {
    ExecutableFileRef file = compiled.file;
    put(std::move(compiled));
    done.push_back(std::move(file));
  }
  return done;
}

}  // namespace waggle
