// SPDX-License-Identifier: Apache-2.0
// Which file is behind a mapping, kept once however many processes map it.  Not for opening it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

namespace waggle {

// What is known depends on who told: the stream gives a build id or device and inode, /proc device
// and inode.  inode 0 and no build id: no file (JIT memory, the vDSO), the path names the region.
struct MappedIdentity {
  std::uint32_t device_major = 0, device_minor = 0;
  std::uint64_t inode = 0;
  std::array<std::byte, 20> build_id{};
  std::uint8_t build_id_size = 0;
  bool operator==(const MappedIdentity&) const = default;
};

struct MappedFile {
  MappedIdentity identity;
  std::string path;  // raw bytes, from the process' root (stream) or ours (/proc); for people

  [[nodiscard]] std::span<const std::byte> build_id() const {
    return std::span(identity.build_id).first(identity.build_id_size);
  }
  [[nodiscard]] bool is_file() const { return identity.inode != 0 || identity.build_id_size != 0; }
};

// Two owners: the table's history, and whoever still resolves a frame when the table has forgotten.
using MappedFileRef = std::shared_ptr<const MappedFile>;

// Whether two accounts can be of one file: what both know agrees, and the path decides only where
// nothing else is known to both.
bool may_be_same_file(const MappedFile& a, const MappedFile& b);

// The name of memory without a file: "" for "//anon" (stream) and "[anon:NAME]" (/proc,
// PR_SET_VMA).
std::string_view region_name(std::string_view path);

// Equal files share one object.  One thread.
class MappedFiles {
 public:
  // The path without " (deleted)"; memory without a file by its region_name().
  MappedFileRef intern(const MappedIdentity& identity, std::string_view path);

  // Forgets the files that nobody else holds.  intern() does it each time the number has doubled.
  void sweep();
  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] std::size_t size() const { return files_.size(); }

 private:
  struct Key {
    const MappedIdentity& identity;
    std::string_view path;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const;
    std::size_t operator()(const MappedFileRef& file) const;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const MappedFileRef& a, const MappedFileRef& b) const { return a == b; }
    bool operator()(const Key& key, const MappedFileRef& file) const;
    bool operator()(const MappedFileRef& file, const Key& key) const { return (*this)(key, file); }
  };

  std::unordered_set<MappedFileRef, Hash, Equal> files_;
  std::size_t sweep_at_ = 1024;
  std::size_t size_bytes_ = 0;
};

}  // namespace waggle
