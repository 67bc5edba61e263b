// SPDX-License-Identifier: Apache-2.0
// Which executable file has which unwind table in the kernel's pool: asked for at the first mapping
// of a sampled process, compiled once for all processes, there a little later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "userspace/process/executable_files.h"
#include "userspace/process/unwind_compiler.h"
#include "userspace/process/unwind_pool.h"

namespace waggle {

// One thread.
class UnwindTables {
 public:
  struct Counters {
    std::uint64_t compiled = 0;  // tables that were put into the pool
    std::uint64_t without = 0;   // files that have no call frame information
    std::uint64_t refused = 0;   // files whose table could not be made, or found no room
  };
  // Where a mapping begins in its file's table (bpf/abi/mappings.h).
  struct Place {
    std::uint32_t table = UNW_NO_TABLE;
    std::uint32_t first_key = 0;
  };

  // The descriptors of unw_nodes and unw_rules, which stay the caller's.
  static Result<UnwindTables> start(int nodes_map, int rules_map);

  // Asks for the table of a file, if nobody did.
  void want(const ExecutableFileRef& file, const FilePlace& place);
  // `size` bytes from `file_offset` of a file (none: the vDSO).  UNW_NO_TABLE when the file has
  // none; UNW_TABLE_PENDING when that is not known yet: it is asked for then.
  Place find(const ExecutableFileRef& file, const FilePlace& place, std::uint64_t file_offset,
             std::uint64_t size);

  // Readable when take_done() has something.
  [[nodiscard]] int fd() const { return compiler_->fd(); }
  // Files (nullptr: the vDSO) of which it is known since the last call whether they have tables.
  std::vector<ExecutableFileRef> take_done();

  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] std::uint64_t map_bytes() const { return pool_.map_bytes(); }

 private:
  struct Entry {
    ExecutableFileRef file;
    std::uint32_t table = UNW_TABLE_PENDING;
    std::uint64_t lowest_address = 0;
    std::vector<ElfSegment> segments;
  };

  UnwindTables(UnwindPool pool, std::unique_ptr<UnwindCompiler> compiler)
      : pool_(std::move(pool)), compiler_(std::move(compiler)) {}
  void put(CompiledTable compiled);

  UnwindPool pool_;
  std::unique_ptr<UnwindCompiler> compiler_;
  std::unordered_map<const ExecutableFile*, Entry> entries_;
  Counters counters_;
};

}  // namespace waggle
