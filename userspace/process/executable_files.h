// SPDX-License-Identifier: Apache-2.0
// The executable files that processes have mapped, told apart once for all of them.
// Not for what is in them: symbolizer/module.h.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

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
  std::uint64_t inode_generation;  // 0: unknown
  std::uint64_t mapped_ns;         // CLOCK_MONOTONIC; 0: unknown
  std::uint64_t time_ns;           // CLOCK_MONOTONIC: of the sample; the file was mapped then
};

// Where a file was met, so that it can be opened again.
struct FilePlace {
  pid_t pid;
  std::string area;  // below /proc/PID/map_files
  std::string path;  // as the process sees it
};

// The file behind a mapping, also when it is deleted, replaced or in another root.  Nothing but a
// regular file is opened: a device can have effects, a pipe blocks.
Result<UniqueFd> open_mapped_file(pid_t pid, std::uint64_t start, std::uint64_t end);

// Nothing but a regular file with that content is opened.
Result<UniqueFd> open_again(const FilePlace& place, const FileIdentity& identity);

// A file that should be read at once, and its descriptor.
struct OpenedFile {
  ExecutableFileRef file;
  UniqueFd fd;
};

struct SeenFile;

// One thread.  A file is told by device and inode, as the kernel gives them, and by time: an inode
// number is used again once its file is gone, so a file serves a mapping only if it had that inode
// and its content when it was mapped.  Names, paths and build ids decide nothing: anybody can forge
// them.  No file stays open: an open file keeps its file system from being unmounted.
class ExecutableFiles {
 public:
  // Meets a mapping's file while its process still lives: called for each mapping as it is made.
  // What may be gone when its names are wanted is to be read at once: take_opened().
  void note(const FileMapping& mapping);

  // Through /proc/PID/map_files, which leads to the mapped file itself, also when it is deleted or
  // replaced; when the process is gone, the file that is known to have been mapped then, else by
  // path.  Anything but a regular file is refused before it is opened.
  Result<ExecutableFileRef> open(const FileMapping& mapping);

  // Files to be read that were opened since the last call.
  std::vector<OpenedFile> take_opened();

  // nullptr when there is none, or when it was forgotten for others.
  [[nodiscard]] ExecutableFileRef find(std::uint32_t id) const;
  // Where it was met last; the file must be one of these.
  [[nodiscard]] const FilePlace& find_place(const ExecutableFile& file) const;

  // Forgets what nobody else holds.
  void forget_unused();
  [[nodiscard]] bool is_full() const;
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
  // A file, and from when to when (CLOCK_MONOTONIC) it is known to have been what its inode number
  // stands for, with the content that it has.
  struct Known {
    ExecutableFileRef file;
    std::uint64_t since_ns;
    std::uint64_t seen_ns;
    std::uint64_t inode_generation;
  };
  struct Placed {
    ExecutableFileRef file;
    FilePlace place;
  };
  enum class Reading : std::uint8_t { at_once, when_wanted };

  Result<Known> meet(const SeenFile& seen, const FilePlace& place, const std::string& at,
                     const Known* known, Reading reading);
  Result<Known> meet_mapped(const FileMapping& mapping, Reading reading);
  Result<Known> meet_by_path(const FileMapping& mapping);
  Result<ExecutableFileRef> add(const SeenFile& seen, const FilePlace& place, const std::string& at,
                                Reading reading);
  Result<ExecutableFileRef> serve(const FileMapping& mapping, const Known& met);
  Known* find_known(const FileMapping& mapping);

  std::unordered_map<FileIdentity, ExecutableFileRef, FileIdentityHash> by_identity_;
  std::unordered_map<Inode, Known, InodeHash> by_inode_;
  std::unordered_map<std::uint32_t, Placed> by_id_;
  std::vector<OpenedFile> opened_;
  std::uint32_t next_id_ = 1;  // 0 is the vDSO's: Locator::kVdsoId
};

}  // namespace waggle
