// SPDX-License-Identifier: Apache-2.0
// Which executable files have which language runtime in them: told by what they export to their
// extensions, not by their names, so that a renamed program, a library and one that embeds a
// runtime are all alike.  Not for Python, of which more must be known: python/python_file.h.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <map>
#include <vector>

#include "symbolizer/elf_file.h"

namespace waggle {

enum class Runtime : std::uint8_t { ruby, php, dotnet, node };

class RuntimeSet {
 public:
  void add(Runtime runtime) { bits_ |= bit(runtime); }
  [[nodiscard]] bool has(Runtime runtime) const { return (bits_ & bit(runtime)) != 0; }

 private:
  static std::uint32_t bit(Runtime runtime) { return 1U << static_cast<unsigned>(runtime); }
  std::uint32_t bits_ = 0;
};

// Empty too where its symbols cannot be read.
RuntimeSet find_runtimes(const ElfFile& file);

// What each file was found to be, once for all processes that map it: by device and inode as they
// are mapped, for a host has thousands of mappings of some hundred files.  One thread.
class RuntimeFiles {
 public:
  // Whether the process maps the code of a file with that runtime.  False too when it is gone.
  bool has(pid_t pid, Runtime runtime);

 private:
  struct Key {
    std::uint32_t device_major;
    std::uint32_t device_minor;
    std::uint64_t inode;
    auto operator<=>(const Key&) const = default;
  };
  struct Mapped {
    Key file;
    std::uint64_t start;
    std::uint64_t end;
  };

  static std::vector<Mapped> read_mapped(pid_t pid);
  RuntimeSet look_up(pid_t pid, const Mapped& mapped);

  std::map<Key, RuntimeSet> known_;
};

}  // namespace waggle
