// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/python_process.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "userspace/process/executable_files.h"
#include "userspace/process/proc_fs.h"

namespace waggle {

namespace {

// A host has some hundred executable files; what is forgotten is read again.
constexpr std::size_t kMaxEntries = 4096;
constexpr std::size_t kMaxFilesOfProcess = 4096;

struct MappedCode {
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t file_offset;
  std::string path;
};

// The first executable mapping of each file.
Result<std::vector<MappedCode>> read_code(pid_t pid) {
  std::vector<MappedCode> mapped;
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>> seen;
  TRY(ProcFs().read_code(static_cast<std::uint32_t>(pid), [&](const MapsEntry& entry) {
    if (entry.inode != 0 && mapped.size() < kMaxFilesOfProcess &&
        seen.emplace(entry.device_major, entry.device_minor, entry.inode).second) {
      mapped.push_back({entry.start, entry.end, entry.file_offset, std::string(entry.path)});
    }
  }));
  return mapped;
}

py_range code_of(const std::vector<ElfSegment>& segments) {
  py_range code{};
  for (const ElfSegment& segment : segments) {
    if (segment.is_executable()) {
      code.start = code.end == 0 ? segment.address : std::min<__u64>(code.start, segment.address);
      code.end = std::max<__u64>(code.end, segment.address + segment.memory_size);
    }
  }
  return code;
}

py_range loaded(const py_range& range, std::uint64_t load_bias) {
  return {range.start + load_bias, range.end + load_bias};
}

PythonFiles::Entry inspect(UniqueFd fd) {
  PythonFiles::Entry entry;
  auto file = ElfFile::open(std::move(fd));
  if (!file) {
    return entry;  // no ELF file has no Python
  }
  entry.segments = file->load_segments();
  auto python = inspect_python_file(*file);
  if (python) {
    entry.python = *std::move(python);
  } else {
    entry.problem = std::move(python).error();
    if (defines_python(*file)) {
      entry.unwalked = code_of(entry.segments);
    }
  }
  return entry;
}

}  // namespace

Result<std::shared_ptr<const PythonFiles::Entry>> PythonFiles::get(UniqueFd fd) {
  const FileIdentity identity = TRY(identify(fd.get()));
  if (const auto found = entries_.find(identity); found != entries_.end()) {
    return found->second;
  }
  if (entries_.size() >= kMaxEntries) {
    entries_.clear();
  }
  auto entry = std::make_shared<const Entry>(inspect(std::move(fd)));
  entries_.emplace(identity, entry);
  return entry;
}

std::optional<std::uint64_t> load_bias(const std::vector<ElfSegment>& segments,
                                       std::uint64_t mapping_start, std::uint64_t file_offset) {
  const auto address = address_of_offset(segments, file_offset);
  return address ? std::optional(mapping_start - *address) : std::nullopt;
}

PythonTarget make_python_target(const PythonFile& file, std::uint64_t load_bias) {
  PythonTarget target{};
  target.layout = file.layout.fields;
  py_process& process = target.process;
  process.interpreters_address = file.interpreters + load_bias;
  process.current_address = file.current == 0 ? 0 : file.current + load_bias;
  process.code_type = file.code_type == 0 ? 0 : file.code_type + load_bias;
  for (const py_range& part : file.loop.parts) {
    process.loops[process.loop_count++] = loaded(part, load_bias);  // at most PY_MAX_LOOPS
  }
  if (file.loop.entry.end != 0) {
    process.entry = loaded(file.loop.entry, load_bias);
  }
  return target;
}

PythonTarget make_unwalked_target(const py_range& code, std::uint64_t load_bias) {
  PythonTarget target{};
  target.process.entry = loaded(code, load_bias);
  return target;
}

Result<std::vector<FoundPython>> find_python(pid_t pid, PythonFiles& files) {
  std::vector<FoundPython> found;
  std::optional<Error> problem;
  for (const MappedCode& code : TRY(read_code(pid))) {
    auto fd = open_mapped_file(pid, code.start, code.end);
    if (!fd) {
      continue;
    }
    const auto entry = files.get(*std::move(fd));
    if (!entry) {
      continue;
    }
    if ((*entry)->problem) {
      problem =
          Error{(*entry)->problem->code, fmt::format("{}: {}", code.path, (*entry)->problem->what)};
    }
    const auto bias = load_bias((*entry)->segments, code.start, code.file_offset);
    if ((*entry)->python && bias) {
      found.push_back(
          {make_python_target(*(*entry)->python, *bias), (*entry)->python->is_guess, code.path});
    }
  }
  if (found.empty() && problem) {
    return std::unexpected(*std::move(problem));
  }
  return found;
}

Result<std::optional<FoundPythonFile>> find_python_file(pid_t pid, PythonFiles& files) {
  for (const MappedCode& code : TRY(read_code(pid))) {
    auto fd = open_mapped_file(pid, code.start, code.end);
    if (!fd) {
      continue;
    }
    const auto entry = files.get(*std::move(fd));
    if (entry && ((*entry)->python || (*entry)->problem)) {
      return FoundPythonFile{
          .path = code.path,
          .version = (*entry)->python ? (*entry)->python->layout.fields.version : 0};
    }
  }
  return std::nullopt;
}

}  // namespace waggle
