// SPDX-License-Identifier: Apache-2.0
// The Python in a process: which of its files has the runtime, and where that is loaded.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "symbolizer/module_cache.h"
#include "userspace/runtimes/python/python_file.h"
#include "userspace/runtimes/python/stacks.h"

namespace waggle {

// What each file was found to be, once for all processes that map it.  One thread.
class PythonFiles {
 public:
  struct Entry {
    std::vector<ElfSegment> segments;
    std::optional<PythonFile> python;  // nothing: none, or `problem` says why not
    std::optional<Error> problem;
    // Of a file that has a Python and a problem: all its code.  The evaluation loop is somewhere in
    // it.  Else empty.
    py_range unwalked{};
  };

  // Reads the file the first time.  shared_ptr: this cache is one owner, whoever uses an entry
  // across a later get() the other.
  Result<std::shared_ptr<const Entry>> get(UniqueFd fd);

 private:
  std::unordered_map<FileIdentity, std::shared_ptr<const Entry>, FileIdentityHash> entries_;
};

// Where the file's address 0 is in a process that has the mapping; nothing when it is of no
// segment.
std::optional<std::uint64_t> load_bias(const std::vector<ElfSegment>& segments,
                                       std::uint64_t mapping_start, std::uint64_t file_offset);

// For the kernel side; process, layout (the number) and thread_id_bias are left to the caller.
PythonTarget make_python_target(const PythonFile& file, std::uint64_t load_bias);

// Likewise for a Python that cannot be walked, and whose stacks get a marker.
PythonTarget make_unwalked_target(const py_range& code, std::uint64_t load_bias);

struct FoundPython {
  PythonTarget target;
  bool is_guess;     // to be proven before use
  std::string path;  // of the file, as the process sees it
};

// Reads the process' mappings and looks at each file, through /proc/PID/map_files, which leads to
// deleted and replaced files too and into other roots.  Each runtime that is found; with several
// the order is that of their addresses.  A file that cannot be read is passed over; one with a
// Python that cannot be walked is Errc::unsupported, ::not_found or ::malformed if there is no
// other.
Result<std::vector<FoundPython>> find_python(pid_t pid, PythonFiles& files);

struct FoundPythonFile {
  std::string path;           // as the process sees it
  std::uint32_t version = 0;  // 0: not known
};

// A mapped file that defines a Python runtime, whether or not its frames can be walked; nothing:
// there is none.
Result<std::optional<FoundPythonFile>> find_python_file(pid_t pid, PythonFiles& files);

}  // namespace waggle
