// SPDX-License-Identifier: Apache-2.0
// Makes the unwind tables of executable files and puts them where the kernel side finds them, on
// threads of its own: a large file takes some hundred milliseconds, and the main loop must not
// wait.  Not for which file has a table: unwind_tables.h.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/cpu_pacer.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "symbolizer/elf_file.h"
#include "userspace/process/executable_files.h"
#include "userspace/process/unwind_cache.h"
#include "userspace/process/unwind_table_files.h"

namespace waggle {

enum class UnwindUrgency : std::uint8_t { sampled, known };  // most urgent first

struct CompiledTable {
  ExecutableFileRef file;  // none: the vDSO
  FilePlace place;
  Result<PooledTableRef> table;  // the error tells why it has none
  UnwindTableFacts facts{};
  std::size_t node_count = 0;  // that it takes, also where there is no room
};

// compile() and take() are of one thread.  Large files have a thread of their own, so that the
// tables of others never wait for one.
class UnwindCompiler {
 public:
  // The cache, and the files and the pacer where there are any, outlive it.  What the pacer does
  // not let begin waits.
  static Result<std::unique_ptr<UnwindCompiler>> start(UnwindCache& cache,
                                                       UnwindTableFiles* files = nullptr,
                                                       CpuPacer* pacer = nullptr);
  UnwindCompiler(const UnwindCompiler&) = delete;
  UnwindCompiler& operator=(const UnwindCompiler&) = delete;
  ~UnwindCompiler();

  // Does not wait.  No file: the vDSO.  The most urgent is compiled first, of these the smallest.
  void compile(ExecutableFileRef file, FilePlace place, UnwindUrgency urgency);
  // Of what was compile()d, if it still waits.
  void hurry(const ExecutableFileRef& file);
  // Readable when take() has something.
  [[nodiscard]] int fd() const { return done_fd_.get(); }
  std::vector<CompiledTable> take();

 private:
  struct Work {
    ExecutableFileRef file;
    FilePlace place;
    UnwindUrgency urgency;

    [[nodiscard]] std::uint64_t size_bytes() const {
      return file == nullptr ? 0 : file->identity.size;
    }
  };
  struct Lane {
    std::vector<Work> queue;  // guarded by mutex_
    std::condition_variable changed;
    std::jthread thread;
  };

  UnwindCompiler(UnwindCache& cache, UnwindTableFiles* files, CpuPacer* pacer, UniqueFd done_fd);
  Lane& lane_of(const ExecutableFileRef& file);
  void run(Lane& lane);
  void wait_for_work(Lane& lane, std::unique_lock<std::mutex>& lock);
  std::optional<Work> next(Lane& lane);
  CompiledTable compile_paced(const Work& work);
  CompiledTable compile_one(const Work& work);
  Result<UnwindTable> make_table(const ElfFile& elf, const FileIdentity* identity);

  UnwindCache& cache_;
  UnwindTableFiles* files_;
  CpuPacer* pacer_;
  UniqueFd done_fd_;
  std::mutex mutex_;
  std::vector<CompiledTable> done_;  // guarded by mutex_
  bool is_finishing_ = false;        // guarded by mutex_
  std::array<Lane, 2> lanes_;        // last: their threads use all of the above
};

}  // namespace waggle
