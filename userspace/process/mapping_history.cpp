// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/mapping_history.h"

#include <algorithm>
#include <utility>

namespace waggle {

namespace {

bool covers(const CodeMapping& mapping, std::uint64_t address) {
  return mapping.start <= address && address < mapping.end;
}

// `mapping` cut to [start, end), its file offset moved along.
CodeMapping part_of(const CodeMapping& mapping, std::uint64_t start, std::uint64_t end) {
  CodeMapping part = mapping;
  if (part.file->is_file()) {
    part.file_offset += start - mapping.start;
  }
  part.start = start;
  part.end = end;
  return part;
}

// `mapping` widened over what continues it.
void extend(CodeMapping& mapping, const CodeMapping& other) {
  if (other.start < mapping.start) {
    mapping.start = other.start;
    mapping.file_offset = other.file_offset;
  }
  mapping.end = std::max(mapping.end, other.end);
  mapping.from_ns = std::min(mapping.from_ns, other.from_ns);
  mapping.is_from_proc = mapping.is_from_proc && other.is_from_proc;
}

std::size_t first_ending_after(std::span<const CodeMapping> mappings, std::uint64_t address) {
  const auto at = std::ranges::upper_bound(mappings, address, {}, &CodeMapping::end);
  return static_cast<std::size_t>(at - mappings.begin());
}

// Whether any of `mappings` (sorted) that overlaps `wanted` satisfies `condition`.
template <class Condition>
bool any_overlap(std::span<const CodeMapping> mappings, const CodeMapping& wanted,
                 Condition condition) {
  for (std::size_t i = first_ending_after(mappings, wanted.start);
       i < mappings.size() && mappings[i].start < wanted.end; ++i) {
    if (condition(mappings[i])) {
      return true;
    }
  }
  return false;
}

bool overlaps_same(std::span<const CodeMapping> mappings, const CodeMapping& wanted) {
  return any_overlap(mappings, wanted,
                     [&](const CodeMapping& other) { return is_same_backing(other, wanted); });
}

bool overlaps_other(std::span<const CodeMapping> mappings, const CodeMapping& wanted) {
  return any_overlap(mappings, wanted,
                     [&](const CodeMapping& other) { return !is_same_backing(other, wanted); });
}

}  // namespace

bool is_same_backing(const CodeMapping& a, const CodeMapping& b) {
  return may_be_same_file(*a.file, *b.file) &&
         (!a.file->is_file() || a.start - a.file_offset == b.start - b.file_offset);
}

MappingHistory::MappingHistory(const MappingHistory& other)
    : current_(other.current_),
      past_(other.past_),
      is_complete_(other.is_complete_),
      snapshot_ns_(other.snapshot_ns_),
      epoch_(other.epoch_),
      bytes_(other.bytes_) {
  account();
}

MappingHistory::~MappingHistory() {
  bytes_ -= own_bytes_;
}

void MappingHistory::account() {
  bytes_ -= own_bytes_;
  own_bytes_ = sizeof(*this) + (current_.capacity() + past_.capacity()) * sizeof(CodeMapping);
  bytes_ += own_bytes_;
}

void MappingHistory::end_mapping(CodeMapping mapping, std::uint64_t to_ns) {
  if (to_ns <= mapping.from_ns) {
    return;  // it never was
  }
  if (past_.size() == kMaxPast) {
    past_.erase(past_.begin(), past_.begin() + kMaxPast / 2);
  }
  mapping.to_ns = to_ns;
  past_.push_back(std::move(mapping));
}

bool MappingHistory::add(CodeMapping mapping) {
  const std::size_t first = first_ending_after(current_, mapping.start);
  std::size_t last = first;
  const std::uint64_t time_ns = mapping.from_ns;
  std::vector<CodeMapping> rest;  // of replaced ones: at most one on each side
  for (; last < current_.size() && current_[last].start < mapping.end; ++last) {
    const CodeMapping& old = current_[last];
    if (is_same_backing(old, mapping)) {
      if (old.start <= mapping.start && mapping.end <= old.end) {
        return true;  // told again
      }
      extend(mapping, old);
      continue;
    }
    end_mapping(part_of(old, std::max(old.start, mapping.start), std::min(old.end, mapping.end)),
                time_ns);
    if (old.start < mapping.start) {
      rest.push_back(part_of(old, old.start, mapping.start));
    }
    if (old.end > mapping.end) {
      rest.push_back(part_of(old, mapping.end, old.end));
    }
  }
  if (current_.size() - (last - first) + rest.size() >= kMaxCurrent) {
    account();
    return false;
  }
  rest.push_back(std::move(mapping));
  std::ranges::sort(rest, {}, &CodeMapping::start);
  const std::size_t reused = std::min(last - first, rest.size());
  const auto at = current_.begin() + static_cast<std::ptrdiff_t>(first);
  const auto middle = rest.begin() + static_cast<std::ptrdiff_t>(reused);
  const auto after = std::move(rest.begin(), middle, at);
  if (reused < rest.size()) {
    current_.insert(after, std::make_move_iterator(middle), std::make_move_iterator(rest.end()));
  } else {
    current_.erase(after, current_.begin() + static_cast<std::ptrdiff_t>(last));
  }
  ++epoch_;
  account();
  return true;
}

bool MappingHistory::shares_file_with(std::span<const CodeMapping> snapshot) const {
  return std::ranges::any_of(current_, [&](const CodeMapping& mapping) {
    return mapping.file->is_file() && overlaps_same(snapshot, mapping);
  });
}

void MappingHistory::merge_snapshot(std::span<const CodeMapping> snapshot, std::uint64_t changed_ns,
                                    std::uint64_t snapshot_ns) {
  const std::vector<CodeMapping> before = current_;
  std::erase_if(current_,
                [&](const CodeMapping& mapping) { return !overlaps_same(snapshot, mapping); });
  for (CodeMapping mapping : snapshot) {
    mapping.from_ns = overlaps_other(before, mapping) ? changed_ns : 0;
    mapping.is_from_proc = true;
    if (!add(std::move(mapping))) {
      break;
    }
  }
  for (const CodeMapping& mapping : before) {
    if (!overlaps_same(snapshot, mapping)) {
      end_mapping(mapping, snapshot_ns);
      ++epoch_;
    }
  }
  is_complete_ = true;
  snapshot_ns_ = snapshot_ns;
  account();
}

void MappingHistory::drop_snapshot() {
  const auto is_from_proc = [](const CodeMapping& mapping) { return mapping.is_from_proc; };
  epoch_ += std::erase_if(current_, is_from_proc) + std::erase_if(past_, is_from_proc);
  is_complete_ = false;
  snapshot_ns_ = 0;
  account();
}

const CodeMapping* MappingHistory::find(std::uint64_t address, std::uint64_t time_ns) const {
  const std::size_t i = first_ending_after(current_, address);
  const CodeMapping* now =
      i < current_.size() && covers(current_[i], address) ? &current_[i] : nullptr;
  if (now != nullptr && now->from_ns <= time_ns) {
    return now;
  }
  for (auto old = past_.rbegin(); old != past_.rend(); ++old) {
    if (covers(*old, address) && old->from_ns <= time_ns && time_ns < old->to_ns) {
      return &*old;
    }
  }
  return now != nullptr && now->from_ns <= time_ns + kEarlyNs ? now : nullptr;
}

}  // namespace waggle
