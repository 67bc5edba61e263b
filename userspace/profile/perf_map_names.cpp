// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/perf_map_names.h"

#include <sys/stat.h>

#include <algorithm>
#include <span>
#include <string>

#include "base/file.h"

namespace waggle {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;  // the rest has no names
constexpr std::size_t kEntryBytes = 256;                      // an entry's own cost
constexpr auto kMinRereadPause = std::chrono::milliseconds(100);
constexpr int kRereadShare = 10;

std::uint64_t size_of(const PerfMapFile& file) {
  struct stat status{};
  (void)::fstat(file.fd.get(), &status);  // of an open regular file: does not fail
  return static_cast<std::uint64_t>(status.st_size);
}

std::string text_of(const PerfMapFile& file, std::uint64_t size) {
  std::string text(std::min<std::uint64_t>(size, kMaxFileBytes), '\0');
  const auto count = read_at(file.fd.get(), 0, std::as_writable_bytes(std::span(text)));
  text.resize(count ? *count : 0);  // shorter: it was truncated meanwhile
  return text;
}

}  // namespace

void PerfMapNames::read(Entry& entry) {
  bytes_ -= entry.memory_bytes;
  entry.file_bytes = size_of(*entry.file);
  entry.map = PerfMap::parse(text_of(*entry.file, entry.file_bytes));
  entry.memory_bytes = kEntryBytes + entry.map.size_bytes();
  bytes_ += entry.memory_bytes;
  ++read_count_;
}

PerfMapNames::Entry& PerfMapNames::entry_of(const PerfMapFileRef& file) {
  if (const auto known = index_.find(file->id); known != index_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return entries_.front();
  }
  entries_.push_front({.file = file, .map = {}, .file_bytes = 0, .memory_bytes = 0});
  index_[file->id] = entries_.begin();
  read(entries_.front());
  evict();
  return entries_.front();
}

void PerfMapNames::evict() {
  while (bytes_ > limit_bytes_ && entries_.size() > 1) {  // one map has its own limits
    bytes_ -= entries_.back().memory_bytes;
    index_.erase(entries_.back().file->id);
    entries_.pop_back();
  }
}

std::optional<std::string_view> PerfMapNames::find(const PerfMapFileRef& file,
                                                   std::uint64_t address) {
  Entry& entry = entry_of(file);
  auto symbol = entry.map.find(address);
  if (!symbol && Clock::now() >= next_reread_ && size_of(*file) != entry.file_bytes) {
    const auto begin = Clock::now();
    read(entry);
    evict();
    next_reread_ = Clock::now() + std::max<Clock::duration>(kMinRereadPause,
                                                            kRereadShare * (Clock::now() - begin));
    symbol = entry.map.find(address);
  }
  return symbol ? std::optional(symbol->name) : std::nullopt;
}

}  // namespace waggle
