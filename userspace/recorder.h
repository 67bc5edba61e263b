// SPDX-License-Identifier: Apache-2.0
// One recording in eBPF mode: sampling, process watching and naming put together.  Reads as the
// order of start.  Not for what a person asks or sees: cli/record.cpp.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/cpu_pacer.h"
#include "base/result.h"
#include "bpf/abi/stats.h"
#include "userspace/attach/process_stream.h"
#include "userspace/attach/sampling_event.h"
#include "userspace/mapping_follower.h"
#include "userspace/process/application.h"
#include "userspace/process/process_table.h"
#include "userspace/profile/locator.h"
#include "userspace/profile/resolver.h"
#include "userspace/runtimes/python/packages.h"
#include "userspace/runtimes/python/process_roots.h"
#include "userspace/runtimes/python/python_feeder.h"
#include "userspace/runtimes/python/python_names.h"
#include "userspace/samplers/cpu_sampler.h"
#include "userspace/select/selection.h"

namespace waggle {

// Of one session, but for `tables`, `mappings` and `table_files`, which are of all of them.
struct Recording {
  Profile profile;
  SamplingEvent event{};
  cpu_stats stats{};
  std::uint64_t truncated = 0;  // samples with a part of their stack missing
  std::uint64_t unnamed = 0;    // samples that are lost: too many waited for their names
  std::uint64_t withheld = 0;   // runs, an estimate
  std::uint64_t given_up = 0;   // functions that show where they are: hurry()
  std::uint64_t bpf_map_bytes = 0;
  MappingFeeder::Counters mappings{};
  UnwindTables::Counters tables{};
  UnwindTableFiles::Counters table_files{};
  std::chrono::nanoseconds duration{};  // from the first event's start to the last one's stop
  std::optional<Error> kernel_names_problem;
};

// A session that has ended, but for the names of its frames.
class EndedSession {
 public:
  EndedSession(Recording recording, std::future<Resolver::Resolved> resolved)
      : recording_(std::move(recording)), resolved_(std::move(resolved)) {}
  // Waits for them; on any thread, once.  Fails when the recorder is destroyed meanwhile.
  Result<Recording> wait();

 private:
  Recording recording_;  // without its profile
  std::future<Resolver::Resolved> resolved_;
};

struct PythonOptions {
  bool is_walked = true;
  std::size_t max_processes = 0;  // of Python; those above stay native.  0: no limit
  bool has_versions = true;       // frames tell the package that their file is of
};

struct TableOptions {
  std::size_t budget_bytes = UnwindTables::kBudgetBytes;  // of the kernel side's memory
  std::size_t names_bytes = std::size_t{128} << 20;       // of files' names in memory, at most
  std::string files_directory = {};                       // of tables on disk; "": none
  bool prepares_running = true;  // tables of what already runs, before the first sample
};

// One thread (the resolver and the unwind compiler have their own).  Destruction at any point gives
// everything back.
class Recorder {
 public:
  // Loads programs and chooses the event; nothing is sampled yet.
  static Result<std::unique_ptr<Recorder>> prepare(const CpuSamplerOptions& options,
                                                   const TableOptions& tables = {},
                                                   const PythonOptions& python = {});

  // Maps and programs under readable names until destruction.
  Result<> pin(const std::string& directory) { return sampler_.pin(directory); }
  Result<> select_pid(pid_t pid) { return sampler_.select_pid(pid); }
  // In place of all that are selected; none: everything.
  Result<> select_pids(std::span<const pid_t> pids) { return sampler_.select_pids(pids); }
  // By cgroup and by name, before or while sampling.
  Result<> select(Selection selection);
  Result<> set_frequency(int frequency) { return sampler_.set_frequency(frequency); }
  // Files' tables and names, which can wait, may take so much CPU time a second: see CpuPacer.
  [[nodiscard]] CpuPacer& pacer() { return *pacer_; }
  // Likewise hearing what processes do: once it has taken more, it is heard some times a second in
  // place of at once.
  [[nodiscard]] CpuPacer& hearing_pacer() { return hearing_pacer_; }
  // For how long what fds() tell may wait.
  [[nodiscard]] std::chrono::milliseconds rest();
  // CPU time that stacks have taken so far.
  [[nodiscard]] std::chrono::nanoseconds stacks_time() const {
    return stacks_time_ + resolver_.naming_time();
  }
  // Programs and mappings that were left until they are sampled, because of the pacer or a pause.
  [[nodiscard]] std::uint64_t unprepared() const { return unprepared_; }
  // Makes memory free that can be had again.
  void forget_names() { resolver_.forget_modules(); }
  // No sample is taken until go_on().
  void pause();
  void go_on();
  // Of native functions, behind their names; before start().
  void show_files() { resolver_.show_files(); }
  // tick() loses what finds no room in the queue for names, in place of waiting for it.
  void never_wait() { waits_for_names_ = false; }
  [[nodiscard]] std::size_t selected_count() const { return sampler_.selected_count(); }

  Result<> start();
  // Its samples that are drained from now on stay apart in the profile (Profile::Stack::process).
  // Returns its exec name.
  std::string tell_apart(pid_t pid);

  // Readable when on_readable() has work to do.  CPUs that come online later are heard at each
  // tick.
  [[nodiscard]] std::vector<int> fds() const;
  Result<> on_readable();

  // Every tick_interval(): joins counts with frames and hands them to the resolver.
  [[nodiscard]] std::chrono::milliseconds tick_interval() const {
    return sampler_.drain_interval();
  }
  Result<> tick();
  // About once a second: CPUs that came or went, processes that are gone.
  Result<> housekeep();

  // Ends the session and begins the next one, while sampling goes on: each sample is in one of
  // them.  Where something is to `change` between the two, nothing is sampled for as long as that
  // takes.
  Result<EndedSession> cut(const std::function<void()>& change = {});

  // Of all sessions.
  [[nodiscard]] Result<cpu_stats> stats() const { return sampler_.stats(); }
  [[nodiscard]] std::size_t queued_frames() const { return resolver_.queued_frames(); }
  [[nodiscard]] std::uint64_t map_bytes() const {
    return sampler_.map_bytes() + follower_.map_bytes() + tables_.map_bytes();
  }
  [[nodiscard]] const MappingFeeder::Counters& mapping_counters() const {
    return follower_.counters();
  }
  [[nodiscard]] UnwindTables::Counters table_counters() const { return tables_.counters(); }
  // Files that have no table though they should, since the last call.
  std::vector<UnwindTables::Problem> take_table_problems() { return tables_.take_problems(); }

  // Pythons that cannot be walked, since the last call.
  std::vector<PythonFeeder::Problem> take_python_problems();
  // Processes of Python beyond PythonOptions::max_processes, since the last call.
  std::vector<std::uint32_t> take_python_above();
  [[nodiscard]] PythonFeeder::Counters python_counters() const;

  // From now on take_execs() tells who has begun a program since its last call.
  void watch_execs() { watches_execs_ = true; }
  std::vector<std::uint32_t> take_execs() { return std::exchange(execs_, {}); }

  // Containers that were not seen before, since the last call.
  std::vector<ContainerRef> take_new_containers() { return processes_.take_new_containers(); }

  // As ProcessTable's.
  void tell_applications(ApplicationSink sink) { processes_.tell_applications(std::move(sink)); }

  // On any thread: sessions that have ended wait no longer for names that are not in memory.
  void hurry() { resolver_.hurry(); }
  // Ends sampling; nothing is counted after it.
  Result<> stop();
  // Waits for the names, after stop().  Of the last session.
  Result<Recording> finish();

 private:
  struct Parts {
    std::unique_ptr<CpuPacer> pacer;
    CpuSampler sampler;
    ProcessStream stream;
    UnwindTables tables;
    std::optional<PythonFeeder> python;
  };
  Recorder(Parts parts, std::size_t names_bytes);
  std::vector<process_id> choose_running();
  void prepare_running();
  void prepare_later();
  void wait_for_tables(std::chrono::steady_clock::time_point end);
  void hear_processes();
  bool has_time_to_prepare();
  void on_record(const ProcessRecord& record);
  void take_stack(const CountedStack& stack, std::uint64_t now_ns);
  Result<> take_ended_generation();
  Result<> take_generation();
  Result<Recording> take_session(std::chrono::steady_clock::time_point end);
  void note(const MapRecord& record);
  void take_python_names();
  FunctionRef make_function(PythonNames names);

  SamplingEvent event_{};
  std::unique_ptr<CpuPacer> pacer_;  // threads of those below ask it
  CpuPacer hearing_pacer_;
  ProcessStream stream_;  // heard from before the first sample
  ProcessTable processes_;
  Locator locator_;
  PythonPackages packages_;  // the resolver's thread alone
  Resolver resolver_;
  CpuSampler sampler_;
  UnwindTables tables_;                 // in the sampler's maps
  Selection selection_;                 // but for pids
  std::optional<PythonFeeder> python_;  // likewise; none: Python is not walked
  MappingFollower follower_;            // writes into the sampler's maps
  std::jthread room_;                   // until start(): a wait that costs no time there
  bool prepares_running_ = true;
  bool watches_execs_ = false;
  std::vector<std::uint32_t> execs_;  // pids
  bool has_python_lines_ = false;
  bool has_python_versions_ = false;
  ProcessRoots roots_;                          // of processes whose functions are of packages
  std::vector<process_thread> threads_before_;  // all, when programs were loaded
  std::vector<process_id> later_;               // that ran at the start, the last one next
  std::uint64_t listed_ns_ = 0;                 // when that was, CLOCK_MONOTONIC
  bool waits_for_names_ = true;
  bool is_paused_ = false;
  std::chrono::nanoseconds stacks_time_{};  // on this thread
  std::uint64_t unprepared_ = 0;

  // Of the session.
  cpu_stats stats_{};
  std::uint64_t unnamed_ = 0;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point end_;
  // Told of the sessions before.
  std::uint64_t cut_samples_ = 0;
  std::uint64_t withheld_ = 0;
};

}  // namespace waggle
