// SPDX-License-Identifier: Apache-2.0
// The executable files that processes have mapped, opened once for all of them.
// Not for what is in them: symbolizer/module.h.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "base/unique_fd.h"
#include "symbolizer/module_cache.h"

namespace waggle {

// Shared by the main loop and the resolver, so it does not change once it is made.
struct ExecutableFile {
  std::uint32_t id;  // never used again for another file
  FileIdentity identity;
  bool is_elf;
  std::string name;  // last component of its path
  UniqueFd fd;       // for pread; stays valid when the file is deleted or replaced
};
using ExecutableFileRef = std::shared_ptr<const ExecutableFile>;

// What a mapping says of its file.
struct FileMapping {
  pid_t pid;
  std::uint64_t start;
  std::uint64_t end;
  std::string_view path;  // as the process sees it
  std::uint64_t dev;  // of the mapping, as the kernel has it: stat(2) differs on some file systems
  std::uint64_t inode;
  std::uint64_t time_ns;  // CLOCK_MONOTONIC: the file was mapped then
};

// One thread.  A file is told by device and inode, as the kernel gives them, and by time: an inode
// number is used again once its file is gone, so a file serves a mapping only if it had that inode
// and its content when it was mapped.  Names, paths and build ids decide nothing: anybody can forge
// them. Every file in it is kept open, so that its inode is not used again meanwhile.
class ExecutableFiles {
 public:
  ExecutableFiles();

  // Opens a mapping's file, if it is a new one, while its process still lives: called for each
  // mapping as it is made.
  void note(const FileMapping& mapping);

  // The file that is open already, else through /proc/PID/map_files, which leads to the mapped file
  // itself, also when it is deleted or replaced; when the process is gone, by path.  Anything but a
  // regular file is refused before it is opened.
  Result<ExecutableFileRef> open(const FileMapping& mapping);

  // nullptr when there is none, or when it was forgotten for others.
  [[nodiscard]] ExecutableFileRef find(std::uint32_t id) const;

  // Closes what nobody else holds.
  void forget_unused();
  [[nodiscard]] bool is_full() const { return by_identity_.size() >= limit_; }
  [[nodiscard]] std::size_t count() const { return by_identity_.size(); }

 private:
  struct Inode {
    std::uint64_t dev;
    std::uint64_t inode;
    bool operator==(const Inode&) const = default;
  };
  struct InodeHash {
    std::size_t operator()(const Inode& key) const;
  };
  // A file, and since when (CLOCK_MONOTONIC) it has been what its inode number stands for, with the
  // content that it has.
  struct Known {
    ExecutableFileRef file;
    std::uint64_t since_ns;
  };

  Result<Known> open_at(const std::string& place, std::string_view path);
  Result<Known> open_mapped(const FileMapping& mapping);
  Result<Known> open_by_path(const FileMapping& mapping);
  Result<ExecutableFileRef> keep(const FileMapping& mapping, const Known& opened);
  void renew(Known& known);
  ExecutableFileRef find_known(const FileMapping& mapping);
  static Inode inode_of(const FileMapping& mapping) {
    return {.dev = mapping.dev, .inode = mapping.inode};
  }

  std::size_t limit_;
  std::unordered_map<FileIdentity, ExecutableFileRef, FileIdentityHash> by_identity_;
  std::unordered_map<Inode, Known, InodeHash> by_inode_;
  std::unordered_map<std::uint32_t, ExecutableFileRef> by_id_;
  std::uint32_t next_id_ = 1;  // 0 is the vDSO's: Locator::kVdsoId
};

}  // namespace waggle
