// SPDX-License-Identifier: Apache-2.0
// The modules in use, least recently used first out, bounded by bytes.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <stop_token>
#include <unordered_map>

#include "base/result.h"
#include "base/unique_fd.h"
#include "symbolizer/module.h"

namespace waggle {

// One state of one file: a file that is written again has other times.
struct FileIdentity {
  std::uint64_t dev;
  std::uint64_t inode;
  std::uint64_t size;
  std::int64_t mtime_ns;
  std::int64_t ctime_ns;
  bool operator==(const FileIdentity&) const = default;
};

struct FileIdentityHash {
  std::size_t operator()(const FileIdentity& identity) const;
};

FileIdentity identity_of(const struct stat& status);
// The change time alone moves also when a file is unlinked, renamed or given another owner.
bool is_same_content(FileIdentity now, const FileIdentity& then);
Result<FileIdentity> identify(int fd);

// Owner: the thread that resolves names; not thread-safe.
class ModuleCache {
 public:
  struct Stats {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t evictions = 0;
    std::uint64_t failures = 0;  // of the misses
    std::size_t bytes = 0;       // now
  };
  using Open = std::function<Result<UniqueFd>()>;

  explicit ModuleCache(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // The module of that file, opened and loaded on a miss.  Errc::malformed also when the file that
  // `open` gives is not the one asked for: names of a new file never serve an old mapping.
  // A failure is remembered with its reason, as a success is.  Once `stop` is requested nothing
  // more is loaded: Errc::exhausted for a miss, not remembered.
  // shared_ptr: the cache is one owner; the caller, who may hold a module across an eviction, the
  // other.
  Result<std::shared_ptr<const Module>> get(const FileIdentity& identity, const Open& open,
                                            const std::stop_token& stop = {});

  // What is in use elsewhere lives on there.
  void clear() { evict_to(0); }

  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  struct Entry {
    FileIdentity identity;
    Result<std::shared_ptr<const Module>> module;
    std::size_t bytes;
  };
  using Entries = std::list<Entry>;  // most recently used first

  void evict_to(std::size_t bytes);

  std::size_t limit_bytes_;
  Entries entries_;
  std::unordered_map<FileIdentity, Entries::iterator, FileIdentityHash> index_;
  Stats stats_;
};

}  // namespace waggle
