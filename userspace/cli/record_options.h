// SPDX-License-Identifier: Apache-2.0
// What `waggle record` was asked to do.  Pure: nothing of the host is looked at.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "userspace/cli/options.h"
#include "userspace/cli/output_path.h"
#include "userspace/health/governor.h"
#include "userspace/metadata/application_id.h"
#include "userspace/select/cgroup_ranking.h"
#include "userspace/tools/async_profiler/command.h"
#include "userspace/tools/async_profiler/safemode.h"
#include "userspace/tools/perf/mode.h"
#include "userspace/tools/phpspy/command.h"

namespace waggle {

enum class Engine { automatic, ebpf, fallback };

// Who tells the functions of Python.
enum class PythonMode {
  automatic,  // the kernel side; py-spy where there is none
  ebpf,       // the kernel side alone
  py_spy,
  disabled,
};

// What is counted.
enum class ProfilingMode { cpu, allocation, none };

// Of async-profiler, with ProfilingMode::cpu; automatic: cpu, or itimer where it refuses that for
// want of perf events.
enum class JavaMode { automatic, cpu, itimer, wall, disabled };

// Of the service that a cloud has at an address of each of its machines.
enum class CloudAsking { never, where_it_is_one, always };

struct RecordOptions {
  std::optional<int> duration_s;  // none: until `command` ends
  int frequency_hz = 99;          // as asked; the kernel's limit may lower it
  ProfilingMode mode = ProfilingMode::cpu;
  std::int64_t alloc_interval_bytes = std::int64_t{2} << 20;  // of each sample, on average
  Engine engine = Engine::automatic;
  std::vector<pid_t> pids;  // sorted, without duplicates; empty: the whole host
  // Each of the next that is not empty must be met too.
  std::vector<std::string> cgroups;            // paths and globs; what lies below is meant too
  std::vector<std::string> excluded_cgroups;   // likewise
  std::vector<std::string> containers;         // beginnings of ids, or names; in one set with those
  std::vector<std::string> container_sockets;  // of Docker and Podman, who know names
  std::vector<std::string> cri_sockets;  // of runtimes of Kubernetes; both empty: the usual ones
  std::vector<std::string> comms;        // names of processes
  RankingLimits ranking;
  bool ranks_cgroups = false;  // those that use the most CPU, in place of `cgroups`
  bool has_container_names = true;
  PerfMode perf_mode = PerfMode::fp;
  std::vector<std::string> command;   // with its arguments; empty: none
  std::vector<OutputTarget> outputs;  // one at least
  std::string perf_path;              // "": where it is found
  int perf_dwarf_stack_bytes = 8192;
  bool is_perf_disabled = false;    // the fallback engine: stacks of runtimes alone
  bool restarts_large_perf = true;  // that has too much memory
  bool shows_files = false;         // of native functions, behind their names
  std::string btf_path;             // of the kernel's types; "": the kernel has them
  std::string pin_dir;              // "": nothing is pinned
  std::string unwind_cache_dir;     // "": no unwind table is kept on disk
  Budget budget;                    // for all that waggle does
  std::uint32_t ring_size_kib = 0;  // of each ring buffer, a power of two; 0: automatic
  PythonMode python_mode = PythonMode::automatic;
  std::string py_spy_path;                 // "": where it is found
  std::vector<pid_t> py_spy_pids;          // Pythons that are left to py-spy
  std::uint32_t max_python_processes = 0;  // above, Python's frames stay native; 0: no limit
  bool has_python_lines = false;           // the current line, not the function's first
  bool has_python_eval_frames = false;     // also the evaluation loop's own frames
  bool has_python_versions = true;         // of packages, in brackets
  std::string async_profiler_path;         // a library or its directory; "": where it is found
  // What its agent is told whatever is recorded.
  AsyncProfilerOptions async_profiler = {.features = "probesp+vtable", .name_age = 30};
  std::string jattach_path;  // a program that attaches to JVMs; "": we do
  JavaMode java_mode = JavaMode::automatic;
  JavaSafemode java_safemode;
  bool tells_whole_hserr = false;  // of a JVM that crashed
  bool checks_java_version = true;
  int java_patience_s = 30;                 // with each answer of a JVM
  std::string rbspy_path;                   // "": where it is found
  std::string phpspy_path;                  // likewise
  std::string php_filter{kPhpFilter};       // of pgrep
  std::string dotnet_trace_path;            // "": where it is found
  bool has_ruby = true;                     // rbspy tells its methods
  bool has_php = false;                     // phpspy tells its functions
  std::string node_linux_perf_path;         // a module or a directory; "": where it is found
  bool attaches_node_maps = false;          // linux-perf is put into running Nodes
  bool has_dotnet = false;                  // dotnet-trace tells its methods
  bool profiles_spawned = false;            // also what begins while it runs
  int min_profiling_duration_s = 10;        // younger processes get no profiler of their runtime
  std::uint32_t max_runtime_processes = 0;  // of each such profiler, the busiest; 0: no limit
  std::uint32_t max_system_processes = 0;  // on the host, for the engine to be started; 0: no limit
  std::string external_metadata;           // a file; "": none
  bool has_metadata = true;                // of the host, in the header
  bool has_metrics = true;                 // likewise: how busy it was
  bool has_application_metadata = true;    // of the programs that are sampled
  bool has_application_ids = true;         // their applications' frames
  bool has_jvm_flags = true;               // in the metadata of JVMs, as their command lines are
  std::vector<std::string> jvm_flags;      // these alone; empty: all of them
  ArgumentFilters java_id_arguments;       // of the JVM, that such a frame of Java shows
  bool has_spark_ids = false;              // and the name that Spark gave it
  CloudAsking cloud = CloudAsking::where_it_is_one;
  bool with_children = false;      // of `pids`: also those forked later
  bool is_dry_run = false;         // who would be recorded, and nothing else
  bool has_thread_frames = false;  // --threads
  bool is_quiet = false;
  bool is_verbose = false;
};

// As gProfiler's `profiling_mode`.
std::string_view profiling_mode_name(ProfilingMode mode);

// Whether a filter is on that only the kernel side knows: its option's name, or "".
std::string_view kernel_filter_of(const RecordOptions& options);

const Syntax& record_syntax();

// --mode and --alloc-interval.
Result<> read_profiling_mode(const ParsedArguments& parsed, RecordOptions& options);
// All options of `record` that another verb can have too, and their values, but for duration, mode
// and outputs; what is not given stays.
std::span<const Option> recording_options();
Result<> read_recording(const ParsedArguments& parsed, RecordOptions& options);

// `arguments` after the verb.  Errc::malformed: one line without "waggle record: ".
Result<RecordOptions> parse_record_options(std::span<const std::string> arguments);

}  // namespace waggle
