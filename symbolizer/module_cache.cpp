// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/module_cache.h"

#include <sys/stat.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace waggle {

namespace {

// An entry's own cost, so that failures are bounded too.
constexpr std::size_t kEntryBytes = 512;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Result<Module> load(const FileIdentity& identity, const ModuleCache::Open& open,
                    const std::stop_token& stop) {
  UniqueFd fd = TRY(open());
  if (!is_same_content(TRY(identify(fd.get())), identity)) {
    return fail(Errc::malformed, "the file has been replaced");
  }
  return Module::load(std::move(fd), stop);
}

}  // namespace

bool is_same_content(FileIdentity now, const FileIdentity& then) {
  now.ctime_ns = then.ctime_ns;
  return now == then;
}

std::size_t FileIdentityHash::operator()(const FileIdentity& identity) const {
  return std::hash<std::string_view>()(
      std::string_view(reinterpret_cast<const char*>(&identity), sizeof(identity)));
}

FileIdentity identity_of(const struct stat& status) {
  return FileIdentity{status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
                      nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

Result<FileIdentity> identify(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    return fail_errno("fstat", errno);
  }
  return identity_of(status);
}

Result<std::shared_ptr<const Module>> ModuleCache::get(const FileIdentity& identity,
                                                       const Open& open,
                                                       const std::stop_token& stop) {
  if (const auto known = index_.find(identity); known != index_.end()) {
    ++stats_.hits;
    entries_.splice(entries_.begin(), entries_, known->second);
    return known->second->module;
  }
  ++stats_.misses;
  if (stop.stop_requested()) {
    return fail(Errc::exhausted, "no time is left");
  }
  Result<Module> loaded = load(identity, open, stop);
  if (stop.stop_requested()) {
    return fail(Errc::exhausted, "no time is left");
  }
  Entry entry{identity, nullptr, kEntryBytes};
  if (loaded) {
    auto module = std::make_shared<const Module>(*std::move(loaded));
    entry.bytes += module->size_bytes();
    entry.module = std::move(module);
  } else {
    ++stats_.failures;
    entry.module = std::unexpected(std::move(loaded).error());
  }
  stats_.bytes += entry.bytes;
  entries_.push_front(std::move(entry));
  index_[identity] = entries_.begin();
  Result<std::shared_ptr<const Module>> module = entries_.front().module;
  evict_to(limit_bytes_);
  return module;
}

void ModuleCache::evict_to(std::size_t bytes) {
  while (stats_.bytes > bytes && !entries_.empty()) {
    const Entry& oldest = entries_.back();
    stats_.bytes -= oldest.bytes;
    ++stats_.evictions;
    index_.erase(oldest.identity);
    entries_.pop_back();
  }
}

}  // namespace waggle
