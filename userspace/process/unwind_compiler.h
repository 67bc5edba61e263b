// SPDX-License-Identifier: Apache-2.0
// Compiles the unwind tables of executable files on a thread of its own: a large file takes some
// hundred milliseconds, and the main loop must not wait.  Not for where tables go: unwind_tables.h.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind_table.h"
#include "userspace/process/executable_files.h"

namespace waggle {

struct CompiledTable {
  ExecutableFileRef file;            // none: the vDSO
  Result<UnwindTable> table;         // the error tells why it has none
  std::vector<NumberedRule> rules;   // that the table uses
  std::vector<ElfSegment> segments;  // of the file
};

// compile() and take() are of one thread.
class UnwindCompiler {
 public:
  static Result<std::unique_ptr<UnwindCompiler>> start();
  UnwindCompiler(const UnwindCompiler&) = delete;
  UnwindCompiler& operator=(const UnwindCompiler&) = delete;
  ~UnwindCompiler();

  // Does not wait.  No file: the vDSO.
  void compile(ExecutableFileRef file, FilePlace place);
  // Readable when take() has something.
  [[nodiscard]] int fd() const { return done_fd_.get(); }
  std::vector<CompiledTable> take();

 private:
  struct Work {
    ExecutableFileRef file;
    FilePlace place;
  };

  explicit UnwindCompiler(UniqueFd done_fd);
  void run();
  std::optional<Work> next();
  CompiledTable compile_one(const Work& work);

  UniqueFd done_fd_;
  UnwindRules rules_;  // the thread's alone
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;           // guarded by mutex_
  std::vector<CompiledTable> done_;  // guarded by mutex_
  bool is_finishing_ = false;        // guarded by mutex_
  std::jthread thread_;              // last: it uses all of the above
};

}  // namespace waggle
