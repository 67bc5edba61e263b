// SPDX-License-Identifier: Apache-2.0
// Who is mapped where, for every process of the host, from before its first sample until after its
// end: the stream's records joined with /proc.  Not for symbols, nor for what the kernel side is
// told.
//
// Start: open the stream, scan(), then apply() what the stream tells.  Each sample: drain the
// stream into apply(), then find_…().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "bpf/abi/process.h"
#include "userspace/attach/process_records.h"
#include "userspace/process/application.h"
#include "userspace/process/mapped_file.h"
#include "userspace/process/proc_fs.h"
#include "userspace/process/process.h"

namespace waggle {

struct ProcessTableLimits {
  // How long after the end of a process (or of an image, by exec) late samples find its mappings,
  // and its name.  Counts are joined with both each second at the latest, however long a session
  // is.
  std::uint64_t mapping_grace_ns = 10'000'000'000;
  std::uint64_t name_grace_ns = 10'000'000'000;
  // Of everything held.  Beyond it the processes longest gone are forgotten, then the mappings of
  // live ones, which /proc has.  Live processes themselves (400 bytes each) are not bounded: the
  // host bounds them.
  std::size_t budget_bytes = std::size_t{16} << 20;
  // Rounds through /proc/PID by the samples of unknown processes and addresses, all together.
  std::uint32_t reads_per_second = 500;
};

// The two clocks, read together.
struct TableClock {
  std::uint64_t monotonic_ns = 0;
  std::uint64_t boottime_offset_ns = 0;  // CLOCK_BOOTTIME - CLOCK_MONOTONIC: time asleep
  static TableClock now();
};

// Records carry their own times; the clock is asked when /proc is read and in advance().
using ReadClock = std::function<TableClock()>;

enum class LookupState { found, unknown_process, unknown_mapping };

struct FoundMapping {
  LookupState state = LookupState::unknown_process;
  std::uint64_t start = 0, end = 0, file_offset = 0;
  MappedFileRef file;                  // set when found
  std::uint64_t mapped_ns = 0;         // CLOCK_MONOTONIC; 0: unknown
  std::uint64_t program_since_ns = 0;  // CLOCK_MONOTONIC; 0: before the stream
};

// What is mapped now in a live instance.  Valid until the next call that is not const.
struct InstanceView {
  std::string_view exec_name;
  std::span<const CodeMapping> mappings;  // sorted by start
  std::uint64_t epoch;                    // changes when the mappings do
};

struct ProcessTableCounters {
  std::uint64_t lost_records = 0;         // as the stream said; 0-counts count as 1
  std::uint64_t forgotten_processes = 0;  // before their grace was over, for the budget
  std::uint64_t unloaded_processes = 0;   // live ones whose mappings were given up for the budget
  std::uint64_t refused_mappings = 0;     // MappingHistory::kMaxCurrent
  std::uint64_t maps_reads = 0;
  std::uint64_t stat_reads = 0;
  std::uint64_t cgroup_reads = 0;
  std::uint64_t failed_reads = 0;  // gone, or not permitted
  std::uint64_t denied_reads = 0;  // by reads_per_second
};

// One thread.  apply() is O(log n) and does no I/O, but where a process that existed before the
// stream loses its leader (one stat).  find_…() reads /proc/PID/maps when the stream cannot know
// the answer: at the first sample of a process older than the stream, after a loss, and, at most
// once a second and ever more seldom, for an address outside all known mappings.
//
// Decisions where the sources leave room:
// - A forked child shares its parent's mappings and exec name.
// - exec_name is the name the kernel gave at exec; of processes older than the stream it is the
//   leader's name when they were first seen; of kernel threads the name they have now.
// - After a loss everything since the last certain word is doubted until /proc was read again: the
//   answer is unknown_mapping for processes that are gone.  If none of the files known is still
//   mapped, an exec was missed.
// - A process is gone when all its threads are, not when its leader is.
// - A container is what /proc says at the first sight of a program; of one that is gone by then,
// its
//   parent's.
// - Mappings found in /proc are taken to have been there since the image began.
class ProcessTable {
 public:
  explicit ProcessTable(ProcFs proc, const ProcessTableLimits& limits = {},
                        ReadClock read_clock = TableClock::now);
  ProcessTable(const ProcessTable&) = delete;  // histories count into bytes_
  ProcessTable& operator=(const ProcessTable&) = delete;
  ~ProcessTable() = default;

  // Takes all processes that live now by name and start time: 2,000 stats, no maps.
  Result<> scan();
  // The same of one of them.
  void scan_process(std::uint32_t pid);

  void apply(const ProcessRecord& record);

  // Forgets what is past its grace, keeps the budget, compares with /proc after a
  // loss (once a second at most) and each minute.  Call it about once a second.
  void advance();

  FoundMapping find_mapping(const process_id& id, std::uint64_t time_ns, std::uint64_t address);
  // The same where the file and an offset in it are known instead of the address; path: as the
  // process sees it.
  FoundMapping find_file_mapping(const process_id& id, std::uint64_t time_ns, std::string_view path,
                                 std::uint64_t file_offset);
  // Valid until the next call that is not const.
  std::optional<std::string_view> find_exec_name(const process_id& id, std::uint64_t time_ns);
  // Never nullptr.  Reads /proc/PID/cgroup at the first call for a program, so call it early.
  ContainerRef find_container(const process_id& id, std::uint64_t time_ns);
  // For who asks when most processes are gone: of all that live now, and of one that has just begun
  // a program.
  void read_containers();
  void read_container_of(std::uint32_t pid);
  // Those seen first since the last call, 4096 at most.
  std::vector<ContainerRef> take_new_containers();
  // From now on `sink` gets the programs that find_application() is asked for.
  void tell_applications(ApplicationSink sink);
  // nullptr: kernel threads, programs that had ended at the first call, or nobody wants to know.
  ApplicationRef find_application(const process_id& id, std::uint64_t time_ns);
  // Nothing when the instance is unknown, gone or a kernel thread.
  std::optional<InstanceView> find_live(const process_id& id, std::uint64_t time_ns);

  // The same, but reads /proc now if the mappings are not known; for the start, when the processes
  // that matter most are asked for first: no limit counts.
  std::optional<InstanceView> load_live(const process_id& id, std::uint64_t time_ns);
  // The instance of a sample of which only pid and time are known, for the calls above.
  std::optional<process_id> find_instance(std::uint32_t pid, std::uint64_t time_ns);
  // Whether it has ended, as far as is known.  Asks nobody.
  [[nodiscard]] bool is_gone(const process_id& id) const;

  [[nodiscard]] const ProcessTableCounters& counters() const { return counters_; }
  [[nodiscard]] std::size_t size_bytes() const;
  [[nodiscard]] std::size_t process_count() const { return process_count_; }

 private:
  struct Retired {  // a process some of whose images ended
    std::uint64_t time_ns;
    std::uint64_t serial;
    std::uint32_t pid;
  };

  // Records and the structure they build (process_table.cpp).
  void on(const ForkRecord& record);
  void on(const ExecRecord& record);
  void on(const CommRecord& record);
  void on(const MapRecord& record);
  void on(const ExitRecord& record);
  void on(const LostRecord& record);
  void on_process_fork(const ForkRecord& record);
  Process* newest(std::uint32_t pid);
  Process* live_at(std::uint32_t pid, std::uint64_t time_ns);
  Process* live_or_new(std::uint32_t pid, std::uint64_t time_ns);
  Process& add_process(std::uint32_t pid, const StartTime& start, std::uint64_t begin_ns);
  void end_process(Process& process, std::uint64_t time_ns);
  MappingHistory& own_history(Image& image);
  std::shared_ptr<MappingHistory> new_history(bool is_complete);

  // Bounds (process_retention.cpp).
  void forget_old();
  void keep_budget();
  void unload_live();
  void release_mappings(const Retired& retired);
  void erase_process(const Retired& retired);

  // /proc (process_repair.cpp).
  Process& add_scanned(std::uint32_t pid, const ProcStat& stat);
  Result<ProcStat> read_stat(std::uint32_t pid);
  Process* discover(const process_id& id);
  void end_if_alone(Process& process, std::uint64_t time_ns);
  void compare_with_proc();
  void compare_process(std::uint32_t pid, bool is_after_loss);
  bool may_read(Process& process);
  bool take_read_token();
  bool is_doubtful(const Process& process) const;
  bool is_believed(const Process& process, const Image& image, std::uint64_t time_ns) const;
  bool load(Process& process);
  Process* sharing_parent(const Process& process);
  void begin_missed_image(Process& process, const ProcStat& stat);

  // Containers (process_containers.cpp).
  ContainerRef read_container(const Process& process);
  ContainerRef intern_container(std::string_view id);
  Process* parent_of(const Process& child);
  const ContainerRef& container_of(Process& process, Image& image, int generation);

  // Answers (process_lookup.cpp).
  Process* find_process(const process_id& id, std::uint64_t time_ns);
  Image* find_image(Process*& process, const process_id& id, std::uint64_t time_ns);
  void make_sure(Process& process, const Image& image);

  ProcFs proc_;
  ProcessTableLimits limits_;
  ReadClock read_clock_;
  TableClock now_;                 // of the last reading or record, whichever is later
  std::size_t mapping_bytes_ = 0;  // kept by the histories; outlives them
  MappedFiles files_;
  std::unordered_map<std::uint32_t, std::unique_ptr<Process>> by_pid_;  // newest of each pid
  std::deque<Retired> retired_images_;                                  // by time
  std::deque<Retired> gone_;                                            // by time
  std::unordered_map<std::string, std::weak_ptr<const std::string>> containers_;
  std::vector<ContainerRef> untold_containers_;
  ApplicationSink application_sink_;
  std::size_t process_count_ = 0;
  std::uint64_t last_serial_ = 0;
  std::uint64_t last_loss_ns_ = 0;
  std::uint64_t compared_ns_ = 0;
  std::uint64_t unloaded_ns_ = 0;
  std::uint64_t tokens_ns_ = 0;  // when the read tokens were last filled up
  std::uint32_t read_tokens_ = 0;
  ProcessTableCounters counters_;
};

}  // namespace waggle
