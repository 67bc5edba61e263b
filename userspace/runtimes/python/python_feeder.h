// SPDX-License-Identifier: Apache-2.0
// Tells the kernel side which processes have a Python, and how to walk it (bpf/abi/python.h).
// Not for what a file or a process is found to be: python_prover.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "bpf/abi/process.h"
#include "bpf/abi/python.h"
#include "userspace/process/executable_files.h"
#include "userspace/runtimes/python/python_prover.h"

namespace waggle {

// One thread.
class PythonFeeder {
 public:
  struct Mapped {
    ExecutableFileRef file;  // none for the vDSO
    std::uint64_t start;
    std::uint64_t file_offset;
  };
  struct Counters {
    std::uint64_t processes = 0;  // that were made known to the kernel side
    std::uint64_t refused = 0;    // that were not: py_processes or py_layouts is full
    std::uint64_t above = 0;      // that were not: there were max_processes already
  };
  struct Problem {
    std::string subject;  // a file, or a process
    std::string reason;
  };

  // The descriptors of py_processes and py_layouts, which stay the caller's.  max_processes: no
  // more are walked; 0: as many as the map has room for.
  static Result<PythonFeeder> start(int processes_map, int layouts_map,
                                    std::size_t max_processes = 0);

  // Asks what is in the file, if nobody did.
  void want(const ExecutableFileRef& file, const FilePlace& place);
  // What the process has mapped, now that it is told to the kernel side.  True: it has a Python,
  // and py_processes says where.
  bool feed(const process_id& process, std::span<const Mapped> mapped);
  void forget(std::uint32_t pid);
  // Of a process that was fed and lives; nullptr: there is none.
  [[nodiscard]] const py_layout* find_layout(const process_id& process) const;

  // Readable when take_done() has something.
  [[nodiscard]] int fd() const { return prover_->fd(); }
  struct Done {
    // That have a Python, as is known since the last call: who maps them is to be fed again.
    std::unordered_set<const ExecutableFile*> files;
    bool has_changed = false;  // py_processes has
  };
  Done take_done();
  // Whether a file that was wanted is still to be looked at.
  [[nodiscard]] bool is_waiting() const { return asked_count_ != 0; }

  // About once a second: processes whose Python had not begun are looked at again.
  void housekeep();

  [[nodiscard]] const Counters& counters() const { return counters_; }
  // Since the last call; the first kMaxProblems of all.
  static constexpr std::size_t kMaxProblems = 8;
  std::vector<Problem> take_problems();
  // Processes that were one too many for max_processes, since the last call; each once.
  std::vector<std::uint32_t> take_above();

 private:
  // A file.
  struct Entry {
    bool is_asked = true;
    std::shared_ptr<const PythonFiles::Entry> found;  // with a Python, walked or not; else nullptr
  };
  struct Fed {
    process_id process;
    PythonTarget target;  // as it was found, but for what its proof has taught
    bool is_guess;
    bool is_proven;
    int looks;  // kMaxLooks: no more
  };

  explicit PythonFeeder(std::unique_ptr<PythonProver> prover, int processes_map, int layouts_map,
                        std::size_t max_processes)
      : prover_(std::move(prover)),
        processes_map_(processes_map),
        layouts_map_(layouts_map),
        max_processes_(max_processes) {}
  [[nodiscard]] std::optional<Fed> find_python(const process_id& process,
                                               std::span<const Mapped> mapped) const;
  bool tell(const Fed& fed);
  void withdraw(std::uint32_t pid);
  Result<> write(const Fed& fed);
  Result<std::uint32_t> layout_number(const py_layout& layout);
  void take_proof(const ProvenPython& proven, Done& done);
  void note_problem(std::string subject, std::string reason);

  std::unique_ptr<PythonProver> prover_;
  int processes_map_;
  int layouts_map_;
  std::size_t max_processes_;
  std::unordered_map<std::uint32_t, Entry> files_;  // by ExecutableFile::id
  std::unordered_map<std::uint32_t, Fed> by_pid_;
  std::vector<py_layout> layouts_;  // by number
  std::size_t asked_count_ = 0;
  Counters counters_;
  std::unordered_set<std::uint32_t> known_above_;
  std::vector<std::uint32_t> above_;
  std::vector<Problem> problems_;
  std::size_t problem_count_ = 0;
};

}  // namespace waggle
