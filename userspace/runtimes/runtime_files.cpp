// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/runtime_files.h"

#include <elf.h>

#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "symbolizer/elf_symbols.h"
#include "userspace/process/executable_files.h"
#include "userspace/process/proc_fs.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxFiles = 4096;
constexpr std::size_t kMaxFilesOfProcess = 4096;

struct Sign {
  std::string_view name;
  Runtime runtime;
};

// Each is there in every version that is in use.
constexpr auto kSigns = std::to_array<Sign>({
    {"ruby_run_node", Runtime::ruby},
    {"php_module_startup", Runtime::php},     // of every SAPI
    {"coreclr_initialize", Runtime::dotnet},  // libcoreclr.so
    {"DotNetRuntimeInfo", Runtime::dotnet},   // a program in a single file
    {"_ZN4node5StartEiPPc", Runtime::node},   // node::Start(int, char**)
});

}  // namespace

RuntimeSet find_runtimes(const ElfFile& file) {
  RuntimeSet found;
  // What extensions link to is in .dynsym, also when the file is stripped.
  const auto raw = read_raw_symbols(file, SHT_DYNSYM);
  if (!raw) {
    return found;
  }
  ByteCursor cursor(raw->symbols);
  while (cursor.remaining() >= sizeof(Elf64_Sym)) {
    const auto symbol = cursor.read<Elf64_Sym>();
    const auto name =
        symbol.st_shndx == SHN_UNDEF ? std::nullopt : checked_string(raw->strings, symbol.st_name);
    for (const Sign& sign : kSigns) {
      if (name == sign.name) {
        found.add(sign.runtime);
      }
    }
  }
  return found;
}

// The first executable mapping of each file.
std::vector<RuntimeFiles::Mapped> RuntimeFiles::read_mapped(pid_t pid) {
  std::vector<Mapped> mapped;
  std::set<Key> seen;
  (void)ProcFs().read_code(static_cast<std::uint32_t>(pid), [&](const MapsEntry& entry) {
    const Key file{entry.device_major, entry.device_minor, entry.inode};
    if (entry.inode != 0 && mapped.size() < kMaxFilesOfProcess && seen.insert(file).second) {
      mapped.push_back({.file = file, .start = entry.start, .end = entry.end});
    }
  });  // it may be gone: nothing is mapped then
  return mapped;
}

RuntimeSet RuntimeFiles::look_up(pid_t pid, const Mapped& mapped) {
  if (const auto known = known_.find(mapped.file); known != known_.end()) {
    return known->second;
  }
  auto fd = open_mapped_file(pid, mapped.start, mapped.end);
  if (!fd) {
    return {};  // it is gone, or no file: not so for the next one that maps it
  }
  if (known_.size() >= kMaxFiles) {
    known_.clear();
  }
  const auto file = ElfFile::open(*std::move(fd));
  const RuntimeSet found = file ? find_runtimes(*file) : RuntimeSet();
  known_.emplace(mapped.file, found);
  return found;
}

bool RuntimeFiles::has(pid_t pid, Runtime runtime) {
  for (const Mapped& mapped : read_mapped(pid)) {
    if (look_up(pid, mapped).has(runtime)) {
      return true;
    }
  }
  return false;
}

}  // namespace waggle
