// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/tail_calls.h"

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>

#include "base/bytes.h"

namespace waggle {

namespace {

constexpr std::size_t kTableEntries = 256;
// The numbers that no instruction has all lead to one function; 3.14 has 223 instructions.
constexpr std::size_t kMinDifferent = 128;
constexpr std::size_t kMinJumpsToShared = 3;
constexpr std::size_t kMaxSectionBytes = 64 << 20;
constexpr std::uint64_t kMaxFunctionBytes = 1 << 20;

// Pointers as they will be once the file is loaded at its own addresses.
class Pointers {
 public:
  explicit Pointers(const ElfFile& file) : file_(file) {
    for (const ElfSection& section : file.sections()) {
      if (section.type == SHT_RELA && (section.flags & SHF_ALLOC) != 0) {
        read_relocations(section);
      }
    }
  }

  // Calls f(address, value) for each aligned word of the data that is there before the program
  // runs.
  template <class F>
  void visit(F&& f) const {
    for (const ElfSection& section : file_.sections()) {
      const bool is_data = section.type == SHT_PROGBITS && (section.flags & SHF_ALLOC) != 0 &&
                           (section.flags & SHF_EXECINSTR) == 0;
      const auto bytes = is_data ? file_.read_section(section, kMaxSectionBytes)
                                 : Result<std::vector<std::byte>>(std::vector<std::byte>());
      if (!bytes || section.address % sizeof(std::uint64_t) != 0) {
        continue;
      }
      ByteCursor cursor(*bytes);
      for (std::uint64_t at = section.address; cursor.remaining() >= sizeof(std::uint64_t);
           at += sizeof(std::uint64_t)) {
        const auto word = cursor.read<std::uint64_t>();
        const auto relocated = relocated_.find(at);
        f(at, relocated == relocated_.end() ? word : relocated->second);
      }
    }
  }

 private:
  void read_relocations(const ElfSection& section) {
    const auto bytes = file_.read_section(section, kMaxSectionBytes);
    if (!bytes) {
      return;
    }
    ByteCursor cursor(*bytes);
    while (cursor.remaining() >= sizeof(Elf64_Rela)) {
      const auto entry = cursor.read<Elf64_Rela>();
      if (ELF64_R_TYPE(entry.r_info) == R_X86_64_RELATIVE) {
        relocated_[entry.r_offset] = static_cast<std::uint64_t>(entry.r_addend);
      }
    }
  }

  const ElfFile& file_;
  std::unordered_map<std::uint64_t, std::uint64_t> relocated_;  // address -> value
};

// Adds the functions of each table.
void add_tables(const Pointers& pointers, const CodeFunctions& functions,
                std::set<std::uint64_t>& starts) {
  std::vector<std::uint64_t> run;
  std::uint64_t next = 0;
  const auto end_run = [&] {
    const std::set<std::uint64_t> different(run.begin(), run.end());
    if (run.size() >= kTableEntries && different.size() >= kMinDifferent) {
      starts.insert(different.begin(), different.end());
    }
    run.clear();
  };
  pointers.visit([&](std::uint64_t address, std::uint64_t value) {
    if (address != next || !functions.is_start(value)) {
      end_run();
    }
    next = address + sizeof(std::uint64_t);
    if (functions.is_start(value)) {
      run.push_back(value);
    }
  });
  end_run();
}

// Adds what several of them jump to the start of.
void add_shared(const ElfFile& file, const CodeFunctions& functions,
                std::set<std::uint64_t>& starts) {
  std::map<std::uint64_t, std::set<std::uint64_t>> jumps;  // target -> functions that jump there
  for (const std::uint64_t start : starts) {
    const auto function = functions.find(start);
    if (!function || function->end - start > kMaxFunctionBytes) {
      continue;
    }
    const auto code = file.read_address(start, function->end - start);
    if (!code) {
      continue;
    }
    for_each_jump(*code, start, [&](std::uint64_t target) {
      if (functions.is_start(target)) {
        jumps[target].insert(start);
      }
    });
  }
  for (const auto& [target, from] : jumps) {
    if (from.size() >= kMinJumpsToShared) {
      starts.insert(target);
    }
  }
}

}  // namespace

std::vector<py_range> find_tail_call_functions(const ElfFile& file,
                                               const CodeFunctions& functions) {
  std::set<std::uint64_t> starts;
  add_tables(Pointers(file), functions, starts);
  if (!starts.empty() && file.machine() == EM_X86_64) {
    add_shared(file, functions, starts);
  }
  std::vector<py_range> found;
  for (const std::uint64_t start : starts) {
    if (const auto function = functions.find(start)) {
      found.push_back(*function);
    }
  }
  return found;
}

}  // namespace waggle
