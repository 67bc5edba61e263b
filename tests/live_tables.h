// SPDX-License-Identifier: Apache-2.0
// The native stack of a live process that stands still (ptrace), walked by the tables of its files.
// For one source file of a test: it defines what unwind_step.h reads through.
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "bpf/lib/unwind_step.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind_table.h"
#include "symbolizer/vdso.h"

struct unw_memory {
  pid_t owner;
};

static inline int unw_read_word(unw_memory* memory, __u64 address, __u64* value) {
  const iovec local = {value, sizeof(*value)};
  const iovec remote = {reinterpret_cast<void*>(address), sizeof(*value)};
  return ::process_vm_readv(memory->owner, &local, 1, &remote, 1, 0) == sizeof(*value) ? 0 : -1;
}

namespace waggle {

constexpr std::string_view kLiveVdso = "[vdso]";

// A file's table, and where the file is mapped.
struct LiveMapping {
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t offset;
  std::string path;
};

struct LiveFile {
  std::vector<ElfSegment> segments;
  UnwindTable table;
};

// What is executable in a process, as of now.
class LiveTables {
 public:
  void read_maps(pid_t pid) {
    mapped_.clear();
    std::istringstream maps(read_file("/proc/" + std::to_string(pid) + "/maps", 1 << 20).value());
    for (std::string line; std::getline(maps, line);) {
      char permissions[5] = {};
      int path_at = 0;
      unsigned long start = 0;
      unsigned long end = 0;
      unsigned long offset = 0;
      if (std::sscanf(line.c_str(), "%lx-%lx %4s %lx %*s %*s %n", &start, &end, permissions,
                      &offset, &path_at) == 4 &&
          permissions[2] == 'x') {
        mapped_.push_back({start, end, offset, line.substr(static_cast<std::size_t>(path_at))});
      }
    }
  }

  // Nothing where no file is mapped.
  std::optional<unw_rule> find_rule(std::uint64_t address) {
    for (const LiveMapping& mapped : mapped_) {
      if (address >= mapped.start && address < mapped.end &&
          (mapped.path.starts_with('/') || mapped.path == kLiveVdso)) {
        const LiveFile& loaded = load(mapped.path);
        const auto in_file =
            address_of_offset(loaded.segments, address - mapped.start + mapped.offset);
        return in_file ? std::optional(rules_.at(search(
                             loaded.table,
                             static_cast<std::uint32_t>(*in_file - loaded.table.lowest_address()))))
                       : std::nullopt;
      }
    }
    return std::nullopt;
  }

  // Where the file's address is in the process.
  std::optional<std::uint64_t> find_address(const std::string& path, std::uint64_t in_file) {
    for (const LiveMapping& mapped : mapped_) {
      if (mapped.path == path) {
        const auto first = address_of_offset(load(path).segments, mapped.offset);
        return first ? std::optional(mapped.start + (in_file - *first)) : std::nullopt;
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] std::string describe(std::uint64_t address) const {
    for (const LiveMapping& mapped : mapped_) {
      if (address >= mapped.start && address < mapped.end) {
        std::ostringstream text;
        text << mapped.path << "+0x" << std::hex << address - mapped.start + mapped.offset;
        return text.str();
      }
    }
    return "?";
  }

 private:
  const LiveFile& load(const std::string& path) {
    std::unique_ptr<LiveFile>& loaded = loaded_[path];
    if (!loaded) {
      const ElfFile file = path == kLiveVdso
                               ? ElfFile::from_bytes(read_vdso().value()).value()
                               : ElfFile::open(open_file(path, O_RDONLY).value()).value();
      loaded = std::make_unique<LiveFile>(
          LiveFile{file.load_segments(), UnwindTable::build(file, rules_).value()});
    }
    return *loaded;
  }

  // Nodes at the numbers that they have in the table.
  static std::uint16_t search(const UnwindTable& table, std::uint32_t key) {
    std::vector<std::uint32_t> numbers(table.nodes().size());
    const unw_tree tree = table.tree(numbers);
    auto number = static_cast<std::uint32_t>(table.nodes().size() - 1);
    std::uint32_t first_key = 0;
    for (std::uint32_t level = 0; level < tree.levels; ++level) {
      const unw_branch* branches = table.nodes()[number].branches;
      const unw_branch& branch = branches[unw_search_branches(branches, key)];
      number = branch.child;
      first_key = branch.first_key;
    }
    const unw_row* rows = table.nodes()[number].rows;
    return rows[unw_search_rows(rows, key - first_key)].rule;
  }

  UnwindRules rules_;
  std::vector<LiveMapping> mapped_;
  std::map<std::string, std::unique_ptr<LiveFile>> loaded_;
};

}  // namespace waggle
