// SPDX-License-Identifier: Apache-2.0
// Where JIT compilers say what their code is called: /tmp/perf-PID.map, found and opened for each
// process that runs code without a file.  Not for what is in it: symbolizer/perf_map.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bpf/abi/process.h"
#include "userspace/process/process.h"

namespace waggle {

// Shared by the main loop and the resolver, so it does not change once it is made.
struct PerfMapFile {
  std::uint64_t id;  // never used again
  UniqueFd fd;       // of a regular file that grows while its process lives; for pread
};
using PerfMapFileRef = std::shared_ptr<const PerfMapFile>;

struct OpenedPerfMap {
  UniqueFd fd;
  StartTime start;  // of the process
};

// As the process itself sees the path and its pid.  The file is another user's, in a place where
// anybody writes: it is refused before it is opened unless it is a regular file of that user or of
// root, and no symbolic link leads out of the process' root.
Result<OpenedPerfMap> open_perf_map(const std::string& proc_root, std::uint32_t pid);

// One thread.
class PerfMapFiles {
 public:
  static constexpr std::size_t kMaxOpen = 128;

  explicit PerfMapFiles(std::string proc_root = "/proc") : proc_root_(std::move(proc_root)) {}

  // A process made memory without a file executable; it may be gone when its first sample is looked
  // at.
  void note(std::uint32_t pid);

  // nullptr: there is none (yet), or it was not written to since program_since_ns
  // (CLOCK_MONOTONIC), so it is what an earlier program or process left.  Looked for again once a
  // second.
  PerfMapFileRef find(const process_id& process, std::uint64_t program_since_ns);

 private:
  struct Entry {
    PerfMapFileRef file;
    StartTime start;
    std::uint64_t next_look_ns = 0;
    std::uint32_t note_count = 0;
  };

  Entry& entry_of(std::uint32_t pid);
  void look(Entry& entry, std::uint32_t pid);

  std::string proc_root_;
  std::unordered_map<std::uint32_t, Entry> by_pid_;
  std::size_t open_count_ = 0;
  std::uint64_t next_id_ = 0;
};

}  // namespace waggle
