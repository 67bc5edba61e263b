// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/mapped_file.h"

#include <algorithm>
#include <functional>

#include "userspace/process/proc_maps.h"

namespace waggle {

namespace {

// A control block, a hash node and the file itself.
std::size_t cost_bytes(const MappedFile& file) {
  return sizeof(MappedFile) + 64 + file.path.capacity();
}

}  // namespace

bool may_be_same_file(const MappedFile& a, const MappedFile& b) {
  const MappedIdentity& x = a.identity;
  const MappedIdentity& y = b.identity;
  if (a.is_file() != b.is_file()) {
    return false;
  }
  if (x.build_id_size != 0 && y.build_id_size != 0) {
    return std::ranges::equal(a.build_id(), b.build_id());
  }
  if (x.inode != 0 && y.inode != 0) {
    return x.inode == y.inode && x.device_major == y.device_major &&
           x.device_minor == y.device_minor;
  }
  return a.path == b.path;
}

std::string_view region_name(std::string_view path) {
  return path == "//anon" || path.starts_with("[anon:") ? std::string_view() : path;
}

std::size_t MappedFiles::Hash::operator()(const Key& key) const {
  return std::hash<std::string_view>()(key.path) ^ key.identity.inode * 0x9e3779b97f4a7c15;
}

std::size_t MappedFiles::Hash::operator()(const MappedFileRef& file) const {
  return (*this)(Key{file->identity, file->path});
}

bool MappedFiles::Equal::operator()(const Key& key, const MappedFileRef& file) const {
  return key.identity == file->identity && key.path == file->path;
}

MappedFileRef MappedFiles::intern(const MappedIdentity& identity, std::string_view path) {
  const bool is_file = identity.inode != 0 || identity.build_id_size != 0;
  path = is_file ? without_deleted_suffix(path) : region_name(path);
  const auto found = files_.find(Key{identity, path});
  if (found != files_.end()) {
    return *found;
  }
  if (files_.size() >= sweep_at_) {
    sweep();
    sweep_at_ = std::max<std::size_t>(1024, 2 * files_.size());
  }
  auto file = std::make_shared<const MappedFile>(MappedFile{identity, std::string(path)});
  size_bytes_ += cost_bytes(*file);
  files_.insert(file);
  return file;
}

void MappedFiles::sweep() {
  for (auto at = files_.begin(); at != files_.end();) {
    if (at->use_count() > 1) {
      ++at;
      continue;
    }
    size_bytes_ -= cost_bytes(**at);
    at = files_.erase(at);
  }
}

}  // namespace waggle
