// SPDX-License-Identifier: Apache-2.0
// Stacks on their way from the main loop to the resolver: each address has found its file, none has
// its name yet.  Move-only; owned by one thread at a time.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/process/executable_files.h"
#include "userspace/process/perf_map_files.h"
#include "userspace/process/process.h"

namespace waggle {

enum class FrameSource : std::uint8_t {
  file,      // index: of LocatedBatch::files;   address: offset in the file
  vdso,      // address: offset in its image
  region,    // index: of LocatedBatch::regions; address: in the process
  kernel,    // address: in the kernel
  function,  // index: of LocatedBatch::functions; address: the frame's payload
  marker,    // index: enum marker (bpf/abi/markers.h)
};

struct LocatedFrame {
  FrameSource source;
  std::uint32_t index;
  std::uint64_t address;
};

struct LocatedStack {
  std::string comm;
  std::string thread;               // "" unless threads are told apart
  std::uint64_t count;              // samples
  std::uint32_t first_frame;        // in LocatedBatch::frames
  std::uint32_t frame_count;        // root first
  std::uint32_t process = 0;        // Profile::Stack::process
  ContainerRef container = {};      // nullptr: not known
  ApplicationRef application = {};  // nullptr: none
};

// Executable memory that is no ELF file.
struct Region {
  std::string name;         // "[anon]", "[heap]", the last component of a path
  std::uint64_t base;       // what a nameless frame's address counts from
  PerfMapFileRef perf_map;  // of the process; may be nullptr
  auto operator<=>(const Region&) const = default;
};

struct LocatedFile {
  ExecutableFileRef file;
  FilePlace place;  // should it have to be opened
};

// Makes the text of an interpreter's function, on the resolver's thread, where it may take its
// time. `position`: where in the function the frame is, if that is told.
using FunctionText = std::function<std::string(std::optional<std::uint64_t> position)>;
using FunctionRef = std::shared_ptr<const FunctionText>;

struct LocatedFunction {
  FunctionRef text;
  std::optional<std::uint64_t> position;
};

struct LocatedBatch {
  std::vector<LocatedStack> stacks;
  std::vector<LocatedFrame> frames;
  std::vector<LocatedFile> files;
  std::vector<Region> regions;
  std::vector<LocatedFunction> functions;
};

}  // namespace waggle
