// SPDX-License-Identifier: Apache-2.0
// Unwind tables in a directory, so that a later start need not compile them: a twentieth of
// the time.
// A file there is told by device, inode, size and times, as ExecutableFiles tells it: a name or a
// build id would let anybody give another program's code a table of his own.
// What goes wrong here costs a table its place on disk and nothing else.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "symbolizer/module_cache.h"
#include "symbolizer/unwind_table.h"

namespace waggle {

// Any thread.
class UnwindTableFiles {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{256} << 20;

  struct Counters {
    std::uint64_t read = 0;
    std::uint64_t written = 0;
    std::uint64_t damaged = 0;  // removed, and compiled again
    std::uint64_t failed = 0;   // could not be written
  };

  // The directory is made (0700) if it is not there.  Errc::permission: it is another user's, or
  // others may write to it.  The files used least lately go when there are more than `max_bytes`.
  static Result<std::unique_ptr<UnwindTableFiles>> open(const std::string& directory,
                                                        std::size_t max_bytes = kMaxBytes);

  // Whether the table of a file of that size is worth a file.
  static bool is_worth_it(const FileIdentity& file) { return file.size >= kSmallest; }

  std::optional<UnwindTable> read(const FileIdentity& file, UnwindRules& rules);
  void write(const FileIdentity& file, const UnwindTable& table, const UnwindRules& rules);

  [[nodiscard]] Counters counters() const;

 private:
  // Smaller ones are compiled as fast.
  static constexpr std::uint64_t kSmallest = 65536;

  UnwindTableFiles(UniqueFd directory, std::size_t max_bytes)
      : directory_(std::move(directory)), max_bytes_(max_bytes) {}
  Result<> write_bytes(const std::string& name, const std::string& bytes);
  Result<> make_room(std::size_t more_bytes);

  UniqueFd directory_;
  std::size_t max_bytes_;
  std::mutex writing_;
  // Of all files, about: others may write too.  Guarded by writing_; none: not known yet.
  std::optional<std::size_t> size_bytes_;
  std::atomic<std::uint64_t> read_count_ = 0;
  std::atomic<std::uint64_t> written_count_ = 0;
  std::atomic<std::uint64_t> damaged_count_ = 0;
  std::atomic<std::uint64_t> failed_count_ = 0;
};

}  // namespace waggle
