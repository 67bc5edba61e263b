// SPDX-License-Identifier: Apache-2.0
// Which executable file has which unwind table in the kernel's pool: asked for at the first mapping
// of a sampled process, compiled once for all processes, there a little later.  A table that no
// mapping uses is kept for the next one, as long as there is room, and asked for again when it is
// gone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/cpu_pacer.h"
#include "base/result.h"
#include "userspace/process/executable_files.h"
#include "userspace/process/unwind_cache.h"
#include "userspace/process/unwind_compiler.h"
#include "userspace/process/unwind_table_files.h"

namespace waggle {

// One thread.
class UnwindTables {
 public:
  // Of the kernel side's memory.  Files of a host take 1 to 20 MiB (all 2,178 of a development
  // machine 90), and with 48 a host of 500 processes stays below 100 MiB in all.
  static constexpr std::size_t kBudgetBytes = std::size_t{48} << 20;

  struct Counters {
    std::uint64_t compiled = 0;   // tables that were put into the pool
    std::uint64_t again = 0;      // of them those of files that had one before
    std::uint64_t without = 0;    // files that have no call frame information
    std::uint64_t refused = 0;    // files whose table could not be made
    std::uint64_t no_room = 0;    // times there was no room for a table
    std::uint64_t evicted = 0;    // tables that made room for others
    std::uint64_t malformed = 0;  // functions whose call frame information is broken
    std::uint64_t no_rule = 0;    // rows whose rule found no number: unw_rules is full
  };
  // Where a mapping begins in its file's table (bpf/abi/mappings.h).
  struct Place {
    std::uint32_t table = UNW_NO_TABLE;
    std::uint32_t first_key = 0;
    PooledTableRef keeps;  // held as long as the kernel side knows the number
  };
  struct Done {
    ExecutableFileRef file;  // none: the vDSO
    PooledTableRef keeps;    // until its users hold it; none: it has no table
  };
  // Why a file has no table, or none for some of its functions.
  struct Problem {
    std::string file;
    std::string reason;
  };

  // The descriptors of unw_nodes and unw_rules, which stay the caller's.
  // `files` on disk are read first, where there are any.  `pacer` as UnwindCompiler's.
  static Result<UnwindTables> start(int nodes_map, int rules_map,
                                    std::size_t budget_bytes = kBudgetBytes,
                                    std::unique_ptr<UnwindTableFiles> files = nullptr,
                                    CpuPacer* pacer = nullptr);

  // Asks for the table of a file, if nobody did.
  void want(const ExecutableFileRef& file, const FilePlace& place, UnwindUrgency urgency);
  // `size` bytes from `file_offset` of a file (none: the vDSO).  UNW_NO_TABLE when the file has
  // none; UNW_TABLE_PENDING when that is not known yet: it is asked for then.
  Place find(const ExecutableFileRef& file, const FilePlace& place, std::uint64_t file_offset,
             std::uint64_t size);

  // Readable when take_done() has something.
  [[nodiscard]] int fd() const { return compiler_->fd(); }
  // Files of which it is known since the last call whether they have tables.
  std::vector<Done> take_done();
  // Whether one that a sampled process needs is still to come.
  [[nodiscard]] bool is_waiting() const { return urgent_count_ != 0; }

  // About once a second: what is used stays, and what found no room is tried again.
  void housekeep();

  [[nodiscard]] Counters counters() const;
  // All 0 without files.
  [[nodiscard]] UnwindTableFiles::Counters file_counters() const {
    return files_ == nullptr ? UnwindTableFiles::Counters() : files_->counters();
  }
  // Since the last call; the first kMaxProblems of each kind of all.
  static constexpr std::size_t kMaxProblems = 8;
  std::vector<Problem> take_problems();
  [[nodiscard]] std::uint64_t map_bytes() const { return cache_->map_bytes(); }

 private:
  enum class State : std::uint8_t { asked, ready, without, refused, no_room };
  struct Entry {
    State state = State::asked;
    bool is_urgent = false;  // of what is asked
    bool had_table = false;
    std::weak_ptr<const PooledTable> table;
  };
  // Its table found no room.
  struct Denied {
    ExecutableFileRef file;
    FilePlace place;
    std::size_t node_count;
  };

  UnwindTables(std::unique_ptr<UnwindCache> cache, std::unique_ptr<UnwindTableFiles> files,
               std::unique_ptr<UnwindCompiler> compiler)
      : cache_(std::move(cache)), files_(std::move(files)), compiler_(std::move(compiler)) {}
  void ask(Entry& entry, const ExecutableFileRef& file, const FilePlace& place,
           UnwindUrgency urgency);
  void make_urgent(Entry& entry);
  void note_failure(Entry& entry, CompiledTable compiled);
  void note_problem(const ExecutableFileRef& file, std::string reason);
  void forget_old();

  std::unique_ptr<UnwindCache> cache_;
  std::unique_ptr<UnwindTableFiles> files_;
  std::unique_ptr<UnwindCompiler> compiler_;
  std::unordered_map<std::uint32_t, Entry> entries_;  // by ExecutableFile::id, which names one file
  std::vector<Denied> denied_;
  std::size_t urgent_count_ = 0;  // entries that are asked and urgent
  Counters counters_;
  std::vector<Problem> problems_;
  std::size_t problem_count_ = 0;
};

}  // namespace waggle
