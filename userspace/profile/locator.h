// SPDX-License-Identifier: Apache-2.0
// From what the sampler counted to located stacks: which process, which file, which offset.
// Not for names: resolver.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bpf/abi/cpu_sampler.h"
#include "userspace/process/executable_files.h"
#include "userspace/process/mapping_history.h"
#include "userspace/process/perf_map_files.h"
#include "userspace/process/process_table.h"
#include "userspace/profile/located_batch.h"

namespace waggle {

// One thread, the one that owns the process table.  The table must have heard all that happened
// before the samples (drain the stream first).
class Locator {
 public:
  explicit Locator(ProcessTable& processes) : processes_(processes) {}

  // `frames`: leaf first, as bpf/abi/cpu_sampler.h has them; empty: they were lost.
  // time_ns: CLOCK_MONOTONIC of the sample.
  void add(const cpu_count_key& key, std::uint64_t count, std::uint64_t time_ns,
           std::span<const std::uint64_t> frames);

  // Executable memory that was just made: its file, or what names its code, is found while the
  // process lives.
  void note_file(const FileMapping& mapping) { files_.note(mapping); }
  // Files whose names the resolver should read at once.
  std::vector<OpenedFile> take_opened() { return files_.take_opened(); }
  // A function that an interpreter runs, whose frames have this id from now on.
  void name_function(std::uint64_t id, FunctionRef text);
  // Its stacks will be replaced: those that are added from now on stay apart in the profile.
  void tell_apart(std::uint32_t pid) { told_apart_.insert(pid); }
  // Once nothing more of processes that are gone is added.
  void forget_gone();
  void note_generated_code(std::uint32_t pid) { perf_maps_.note(pid); }

  // How a native frame of the kernel side names a mapping's file.
  struct Executable {
    std::uint32_t id;
    ExecutableFileRef file;  // none for the vDSO
  };
  static constexpr std::uint32_t kVdsoId = 0;  // no file has it
  // Where the file was met last; empty for the vDSO (no file).
  [[nodiscard]] const FilePlace& place_of(const ExecutableFileRef& file) const {
    static const FilePlace nowhere{};
    return file == nullptr ? nowhere : files_.find_place(*file);
  }
  // Nothing for memory without a readable file, and once the numbers are used up.
  std::optional<Executable> find_executable(const process_id& process, std::uint64_t time_ns,
                                            const CodeMapping& mapping);

  // Samples that the kernel side took for whole and that were cut here.
  [[nodiscard]] std::uint64_t cut_samples() const { return cut_samples_; }

  // What was added since the last call.
  LocatedBatch take();

 private:
  // A mapping of one process instance; its file is looked at once.
  struct MappingKey {
    process_id process;
    std::uint64_t start;
    const void* file;
    bool operator==(const MappingKey& other) const;
  };
  struct MappingKeyHash {
    std::size_t operator()(const MappingKey& key) const;
  };
  struct Place {
    FrameSource source = FrameSource::region;
    ExecutableFileRef file;   // FrameSource::file
    std::string region;       // FrameSource::region
    MappedFileRef keeps_key;  // as long as its address is in a key
  };

  bool locate_all(const cpu_count_key& key, std::uint64_t time_ns,
                  std::span<const std::uint64_t> frames);
  LocatedFrame locate(const cpu_count_key& key, std::uint64_t time_ns, std::uint64_t frame,
                      bool is_leaf);
  LocatedFrame locate_native(std::uint64_t frame);
  LocatedFrame locate_user(const process_id& process, std::uint64_t time_ns, std::uint64_t address);
  const Place& place_of(const process_id& process, std::uint64_t time_ns,
                        const FoundMapping& mapping);
  Place find_place(const process_id& process, std::uint64_t time_ns, const FoundMapping& mapping);
  std::uint32_t file_index(const ExecutableFileRef& file);
  std::uint32_t region_index(Region region);
  LocatedFrame locate_function(std::uint64_t frame);
  const FunctionRef* find_function(std::uint64_t id);

  ProcessTable& processes_;
  ExecutableFiles files_;
  PerfMapFiles perf_maps_;
  std::unordered_map<MappingKey, Place, MappingKeyHash> places_;

  // By id: those used since functions_ was last full, and those of the time before.  More than the
  // kernel side remembers.
  std::unordered_map<std::uint64_t, FunctionRef> functions_;
  std::unordered_map<std::uint64_t, FunctionRef> older_functions_;

  std::unordered_set<std::uint32_t> told_apart_;
  std::vector<LocatedFrame> stack_;  // of add()
  std::uint64_t cut_samples_ = 0;
  LocatedBatch batch_;
  std::unordered_map<const ExecutableFile*, std::uint32_t> file_indexes_;  // of batch_
  std::map<Region, std::uint32_t> region_indexes_;                         // of batch_
  std::unordered_map<std::uint64_t, std::uint32_t> function_indexes_;      // of batch_
};

}  // namespace waggle
