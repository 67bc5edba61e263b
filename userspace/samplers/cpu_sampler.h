// SPDX-License-Identifier: Apache-2.0
// Owner of the CPU sampler: loads bpf/cpu_sampler.bpf.c, runs it on every CPU, and hands out what
// it counted.  Not for names: frames leave here as the kernel wrote them (bpf/abi/frame.h).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/abi/cpu_sampler.h"
#include "bpf/abi/select.h"
#include "bpf/abi/stats.h"
#include "userspace/attach/sampling_event.h"

namespace waggle {

struct CpuSamplerOptions {
  int frequency = 99;                  // samples a second for each CPU
  bool is_pid_filtered = false;        // only what select_pid() names
  bool is_cgroup_filtered = false;     // only what sel_cgroups selects, of that
  bool is_comm_filtered = false;       // only the names in sel_comms, of that
  bool follows_children = false;       // and what those fork from then on
  bool counts_threads = false;         // one count for each thread
  bool walks_python = true;            // else its maps have no room
  bool has_python_lines = false;       // Python frames tell where in their function they are
  bool keeps_python_loops = false;     // the evaluation loop's frames stay beside Python's
  std::size_t ring_bytes = 0;          // of each ring, a power of two; 0: chosen by frequency
  std::uint32_t max_processes = 4096;  // whose mappings the kernel side can know
  bool skips_itself = true;            // this process is never sampled
  bool is_timed = false;               // cpu_stats::run_ns counts
  std::string btf_path = {};           // of the kernel's types; "": the kernel has them
};

// One line of the count table.  Views are valid during the call that hands it out.
struct CountedStack {
  const cpu_count_key& key;
  std::uint64_t count;
  std::uint64_t time_ns;                  // CLOCK_MONOTONIC of the first sample; 0 without frames
  std::span<const std::uint64_t> frames;  // leaf first; empty: the frames were lost
};
using CountedStackSink = std::function<void(const CountedStack&)>;

// Single-threaded.  load() and start() may be slow (verifier); drain() waits one RCU grace period.
class CpuSampler {
 public:
  // Loads programs and maps; nothing runs yet.  Errc::permission or unsupported when the kernel
  // refuses: the text has libbpf's last words.
  static Result<CpuSampler> load(const CpuSamplerOptions& options);

  CpuSampler(CpuSampler&&) noexcept;
  CpuSampler& operator=(CpuSampler&&) noexcept;
  CpuSampler(const CpuSampler&) = delete;
  CpuSampler& operator=(const CpuSampler&) = delete;
  ~CpuSampler();

  // Adds a process to the selection (is_pid_filtered), before or while sampling.
  Result<> select_pid(pid_t pid);
  // In place of all that are selected; none: everything is, as far as pids go.
  Result<> select_pids(std::span<const pid_t> pids);
  // Whether is_comm_filtered lets everything through for now.
  void let_all_names(bool is_let);
  // Whether it is sampled; everything is where no pids are selected.
  [[nodiscard]] bool is_selected(pid_t pid) const;
  // How many processes are selected now: those that end are removed by the kernel side.
  [[nodiscard]] std::size_t selected_count() const;

  // All threads of the host's user processes.
  [[nodiscard]] Result<std::vector<process_thread>> list_threads() const;

  Result<> start(const SamplingEvent& event);

  // Readable when a ring is half full, or when a process was met that the kernel side does not
  // know: then call consume().
  [[nodiscard]] int poll_fd() const;
  // Takes new stacks out of the rings.
  Result<> consume();
  // The processes of those stacks that had frames outside proc_mappings, and those that have begun
  // a program, since the last call.
  struct Unplaced {
    process_id process;
    std::uint64_t time_ns;    // CLOCK_MONOTONIC, of the sample
    bool is_sampled = false;  // else it may be soon
  };
  std::vector<Unplaced> take_unplaced();
  // The processes of all stacks since the last call, some more than once.
  std::vector<Unplaced> take_sampled();
  // Records of py_names that were read since the last call: whole, one after the other in time.
  // Those that a stack needs are read no later than the stack.
  std::vector<std::vector<std::byte>> take_python_names();
  // Ends the current generation: when it returns, no sample counts into it any more.  What its
  // samples depend on has happened by then, and their stacks are out of the rings.
  Result<> end_generation();
  // Hands out all that the ended generation counted.
  Result<> read_ended(const CountedStackSink& sink);
  // Both.
  Result<> drain(const CountedStackSink& sink);
  // How often to call drain(), so that the count table never fills.
  [[nodiscard]] std::chrono::milliseconds drain_interval() const;
  // Follows CPUs as they come and go.  Call it about once a second.
  Result<> refresh_cpus();
  // From now on this many samples a second, for which the maps need not be large enough.
  Result<> set_frequency(int frequency);
  // No sample is taken until go_on().
  void pause();
  void go_on();
  // Ends sampling.  Two generations are left to drain.
  void stop();

  // Sums over all CPUs, of all that has happened.
  [[nodiscard]] Result<cpu_stats> stats() const;
  // What has been counted since its last call for the generation that has ended: exactly what
  // belongs to the counts that read_ended() hands out.
  Result<cpu_stats> take_ended_stats();
  // Estimate: see CpuEvents::withheld().
  [[nodiscard]] std::uint64_t withheld(const cpu_stats& stats) const;
  // Memory of all maps and rings, in bytes.
  [[nodiscard]] std::uint64_t map_bytes() const;

  // For MappingFeeder: the descriptors of proc_mappings and proc_nodes, and proc_version.
  [[nodiscard]] int mappings_fd() const;
  [[nodiscard]] int nodes_fd() const;
  [[nodiscard]] volatile __u64& mappings_version();
  // For UnwindTables: those of unw_nodes and unw_rules.
  [[nodiscard]] int tables_fd() const;
  [[nodiscard]] int rules_fd() const;

  // For PythonFeeder: those of py_processes and py_layouts.
  [[nodiscard]] int python_processes_fd() const;
  [[nodiscard]] int python_layouts_fd() const;

  // For SelectionMaps: the descriptors of sel_cgroups and sel_comms, and sel_state.
  [[nodiscard]] int cgroups_fd() const;
  [[nodiscard]] int comms_fd() const;
  [[nodiscard]] volatile sel_cgroup_state& cgroup_state();

  // Under readable names in `directory`, until destruction.
  Result<> pin(const std::string& directory);

  struct LoadedProgram {
    std::string name;
    std::uint32_t id;
    std::uint32_t verified_instructions;  // 0 before 5.16
    std::uint64_t run_count;              // with kernel.bpf_stats_enabled
    std::uint64_t run_time_ns;
  };
  [[nodiscard]] std::vector<LoadedProgram> programs() const;

 private:
  struct State;
  explicit CpuSampler(std::unique_ptr<State> state);
  Result<> load_rings();

  std::unique_ptr<State> state_;
};

}  // namespace waggle
