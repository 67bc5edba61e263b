// SPDX-License-Identifier: Apache-2.0
// Looks into files for a Python, and into processes for the proof that it is there, on a thread of
// its own: symbol tables take up to seconds to read.  Not for what follows from it:
// python_feeder.h.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bpf/abi/process.h"
#include "userspace/process/executable_files.h"
#include "userspace/runtimes/python/python_process.h"
#include "userspace/runtimes/python/stacks.h"

namespace waggle {

struct InspectedFile {
  ExecutableFileRef file;
  std::shared_ptr<const PythonFiles::Entry> entry;  // nullptr: it could not be read again
};

struct ProvenPython {
  process_id process;
  PythonTarget target;  // with what was learned
  Result<PythonProof> proof;
};

// One thread calls; the work is done by another one.
class PythonProver {
 public:
  static Result<std::unique_ptr<PythonProver>> start();
  PythonProver(const PythonProver&) = delete;
  PythonProver& operator=(const PythonProver&) = delete;
  ~PythonProver();

  // Neither waits.  Files come first, the smallest before larger ones.
  void inspect(ExecutableFileRef file, FilePlace place);
  void prove(const process_id& process, const PythonTarget& target);

  // Readable when take() has something.
  [[nodiscard]] int fd() const { return done_fd_.get(); }
  struct Done {
    std::vector<InspectedFile> files;
    std::vector<ProvenPython> processes;
  };
  Done take();

 private:
  struct Inspection {
    ExecutableFileRef file;
    FilePlace place;
  };
  struct Proof {
    process_id process;
    PythonTarget target;
  };
  using Work = std::variant<Inspection, Proof>;

  explicit PythonProver(UniqueFd done_fd);
  void run();
  std::optional<Work> next();
  void tell_done();

  UniqueFd done_fd_;
  PythonFiles files_;  // the thread's alone
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Inspection> inspections_;  // guarded by mutex_
  std::deque<Proof> proofs_;            // guarded by mutex_
  Done done_;                           // guarded by mutex_
  bool is_finishing_ = false;           // guarded by mutex_
  std::jthread thread_;                 // last: it uses all of the above
};

}  // namespace waggle
