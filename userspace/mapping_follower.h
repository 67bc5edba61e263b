// SPDX-License-Identifier: Apache-2.0
// Keeps the kernel side's knowledge of mappings equal to the process table's, for the processes
// that are sampled.  The one place where the stream, the table and the feeder meet.
#pragma once

#include <cstdint>
#include <vector>

#include "bpf/abi/process.h"
#include "userspace/attach/process_records.h"
#include "userspace/process/mapping_feeder.h"
#include "userspace/process/process_table.h"
#include "userspace/process/unwind_tables.h"
#include "userspace/profile/locator.h"
#include "userspace/runtimes/python/python_feeder.h"

namespace waggle {

// One thread, the table's.
class MappingFollower {
 public:
  // The descriptors of proc_mappings and proc_nodes, and proc_version.  The others outlive it.
  // python: nullptr where Python is not wanted.
  MappingFollower(ProcessTable& processes, Locator& locator, UnwindTables& tables,
                  PythonFeeder* python, int mappings_map, int nodes_map, volatile __u64& version)
      : processes_(processes),
        locator_(locator),
        tables_(tables),
        python_(python),
        feeder_(mappings_map, nodes_map, version) {}

  // After the table took the record: a process that exits or execs is forgotten, one that maps
  // something is fed at the next catch_up().
  void on_record(const ProcessRecord& record);
  // A sample had frames that the kernel side could not place.  time_ns: of the sample,
  // CLOCK_MONOTONIC; by now the process may be another program.
  void want(const process_id& process, std::uint64_t time_ns);
  // Before sampling: what want() would need of a process is found out, and tables that it has not
  // are asked for.
  void prepare(const process_id& process, std::uint64_t time_ns, UnwindUrgency urgency);
  // Tables have come, or files were found to have a Python: the processes that use them are fed at
  // the next catch_up().  What happened up to now_ns must have been heard: a process that has
  // become another program is no longer the one that was fed.
  void take_tables(std::uint64_t now_ns);
  // Feeds what changed or is wanted.  Call it after each drain of the stream.
  void catch_up();
  // Room for the first processes.  Waits for a grace period (16 ms), for any thread while no other
  // is in here.
  Result<> make_room() { return feeder_.make_room(); }
  // A grace period has passed since the last catch_up().
  void recycle() { feeder_.recycle(); }
  // About once a second, after the table's advance(): forgets processes whose end was not heard.
  void housekeep();

  [[nodiscard]] const MappingFeeder::Counters& counters() const { return feeder_.counters(); }
  [[nodiscard]] std::uint64_t map_bytes() const { return feeder_.node_bytes(); }

 private:
  struct Wanted {
    process_id process;
    std::uint64_t time_ns;
  };

  void feed(const Wanted& wanted);
  void forget(std::uint32_t pid);

  ProcessTable& processes_;
  Locator& locator_;
  UnwindTables& tables_;
  PythonFeeder* python_;
  MappingFeeder feeder_;
  std::vector<Wanted> wanted_;
  std::vector<UnwindTables::Done> fresh_;  // tables that nobody holds yet
};

}  // namespace waggle
