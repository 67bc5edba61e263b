// SPDX-License-Identifier: Apache-2.0
// What becomes of a session of the agent once its samples are taken: names, its header, its files.
// Not for when that is: agent_sessions.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "userspace/cli/application_telling.h"
#include "userspace/cli/container_naming.h"
#include "userspace/cli/engine_governor.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_metadata.h"
#include "userspace/cli/recording_report.h"
#include "userspace/cli/told_once.h"
#include "userspace/output/session_files.h"

namespace waggle {

// Read on any thread.
struct SessionCounters {
  std::atomic<std::uint64_t> begun = 0;
  std::atomic<std::uint64_t> written = 0;
  std::atomic<std::uint64_t> unwritten = 0;  // their files could not be written
  std::atomic<std::uint64_t> dropped = 0;    // too many waited to be written
  std::atomic<std::uint64_t> failed = 0;     // ended before their time, or did not begin
  std::atomic<std::uint64_t> late = 0;       // ends that came while another was on
  std::atomic<std::uint64_t> unended = 0;    // begun, and not yet one of those above
};

// What the thread that ends a session must know; the agent's options may be others by then.
struct SessionOrder {
  SessionFiles files;
  bool has_flame_graph;
  RunFacts facts;
  RunArguments run_arguments;
  ProfilingMode mode;
  std::vector<std::string> excluded;
  std::optional<double> cpu_avg;  // % of the host
  std::optional<double> mem_avg;
};

// What names and tells of a session's processes.
struct Tellers {
  RecordMetadata& metadata;
  ContainerNaming& containers;
  ApplicationTelling& applications;
  EngineGovernor& governor;
  ToldOnce& told;
  std::stop_token hurry;  // names that have not come by then are left out
};

// Counts it as written, unwritten or failed.  On the thread that writes.
void end_session(const SessionOrder& order, SessionEnd& end, SessionCounters& counters,
                 const Tellers& tellers);

}  // namespace waggle
