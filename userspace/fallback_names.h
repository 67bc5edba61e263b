// SPDX-License-Identifier: Apache-2.0
// What is known of processes and addresses where perf takes the samples: a pid and a time find the
// process, an address that perf gave no name its file.  Not for samples: fallback_recorder.h.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "symbolizer/module_cache.h"
#include "userspace/attach/process_records.h"
#include "userspace/process/application.h"
#include "userspace/process/executable_files.h"
#include "userspace/process/process_table.h"

namespace waggle {

// One thread, but for what says otherwise.
class FallbackNames {
 public:
  // has_threads: thread_name() is wanted.
  explicit FallbackNames(bool has_threads);

  // What runs already.
  Result<> scan();
  // That it runs, where nothing tells of what begins.
  void notice(pid_t pid) { processes_.scan_process(static_cast<std::uint32_t>(pid)); }
  void apply(const ProcessRecord& record);
  // About once a second.
  void advance() { processes_.advance(); }

  // The name that exec gave the process, for all of its threads.
  [[nodiscard]] std::string exec_name(pid_t pid, std::uint64_t time_ns);
  // "" for none.
  [[nodiscard]] std::string container(pid_t pid, std::uint64_t time_ns);
  // As ProcessTable's.
  void tell_applications(ApplicationSink sink) { processes_.tell_applications(std::move(sink)); }
  [[nodiscard]] ApplicationRef application(pid_t pid, std::uint64_t time_ns);
  // Those that were not seen before, since the last call.
  std::vector<ContainerRef> take_new_containers() { return processes_.take_new_containers(); }
  // The last one that is known; "" for none.  On any thread.
  [[nodiscard]] std::string thread_name(pid_t tid) const;

  // Where code is that perf has no name for.
  struct Place {
    std::string_view object;  // as perf prints it: "/lib/x.so", "/lib/x.so (deleted)"
    std::uint64_t address;    // in the process, or in the object's file
    bool is_offset;           // what perf says: of non-PIE programs both can be
    std::string_view shown;   // behind a function's name; "": nothing
  };
  // The function there, or "(file+0xADDRESS)"; nothing where no file is mapped.
  [[nodiscard]] std::optional<std::string> place_name(pid_t pid, std::uint64_t time_ns,
                                                      const Place& place);

 private:
  void scan_threads();
  FoundMapping find_mapping(const process_id& process, std::uint64_t time_ns, const Place& place);
  void note_thread(std::uint32_t tid, std::string_view name);

  ProcessTable processes_;
  ExecutableFiles files_;
  ModuleCache modules_;
  bool has_threads_;
  mutable std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::string> thread_names_;  // guarded by mutex_
};

}  // namespace waggle
