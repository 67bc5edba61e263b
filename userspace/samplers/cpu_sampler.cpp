// SPDX-License-Identifier: Apache-2.0
#include "userspace/samplers/cpu_sampler.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "bpf/abi/frame.h"
#include "bpf/abi/select.h"
#include "bpf/abi/unwind.h"
#include "skel/cpu_sampler.skel.h"
#include "userspace/attach/bpf_handles.h"
#include "userspace/attach/features.h"
#include "userspace/attach/grace_period.h"
#include "userspace/attach/libbpf_log.h"
#include "userspace/attach/map_bytes.h"
#include "userspace/attach/pin_directory.h"
#include "userspace/samplers/cpu_events.h"
#include "userspace/samplers/cpu_stats_sums.h"
#include "userspace/samplers/stack_store.h"

namespace waggle {

namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kMaxRings = 32;
constexpr std::uint64_t kUsualStackBytes = 1024;
constexpr std::uint64_t kMinRingBytes = std::uint64_t{64} << 10;
constexpr std::uint64_t kMaxRingBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMinCounts = 1024;
constexpr std::uint64_t kMaxCounts = 65536;

// Counts that one interval can fill, if every sample is a stack of its own: with room for a late
// drain.
std::uint64_t count_capacity(int frequency, std::uint32_t cpu_count) {
  const std::uint64_t a_second = static_cast<std::uint64_t>(frequency) * cpu_count;
  return std::clamp(std::bit_ceil(a_second + a_second / 2), kMinCounts, kMaxCounts);
}

milliseconds interval_for(std::uint64_t capacity, int frequency, std::uint32_t cpu_count) {
  const std::uint64_t a_second = static_cast<std::uint64_t>(frequency) * cpu_count;
  const std::uint64_t ms = capacity * 2 * 1000 / (a_second * 3);
  return milliseconds(std::clamp<std::uint64_t>(ms, 20, 1000));
}

// A second of usual stacks for the CPUs that share a ring; user space is woken when half of it is
// full.
std::uint32_t ring_bytes_for(const CpuSamplerOptions& options, std::uint32_t cpus_per_ring) {
  if (options.ring_bytes != 0) {
    return static_cast<std::uint32_t>(options.ring_bytes);
  }
  const std::uint64_t a_second =
      static_cast<std::uint64_t>(options.frequency) * cpus_per_ring * kUsualStackBytes;
  return static_cast<std::uint32_t>(
      std::clamp(std::bit_ceil(a_second), kMinRingBytes, kMaxRingBytes));
}

Errc code_of_load_error(int error) {
  return error == -EPERM || error == -EACCES ? Errc::permission : Errc::unsupported;
}

}  // namespace

namespace {

// What came through the rings.
struct Received {
  std::array<StackStore, 2> stacks;  // by the low bit of the generation, as the count tables
  std::vector<CpuSampler::Unplaced> unplaced;  // processes of stacks that had frames without a file
  std::vector<CpuSampler::Unplaced> sampled;   // and of all
  std::vector<std::vector<std::byte>> python_names;
};

}  // namespace

// Destroyed from the bottom up: pins, events (links), the reader of the rings, then the programs.
struct CpuSampler::State {
  CpuSamplerOptions options;
  std::uint32_t cpu_count = 0;  // possible ones: what the kernel sizes its own tables by
  Skeleton<cpu_sampler_bpf> skeleton;
  std::vector<UniqueFd> rings;
  Received received;
  RingBuffer reader;
  std::optional<CpuEvents> events;
  BpfLink fork_link;
  BpfLink exec_link;
  BpfLink mmap_link;
  BpfLink exit_link;
  std::optional<PinDirectory> pins;
  std::array<cpu_stats, 2> told_stats{};  // by take_ended_stats()

  [[nodiscard]] int counts_fd(std::uint32_t generation) const {
    return bpf_map__fd((generation & 1) != 0 ? skeleton->maps.cpu_counts_1
                                             : skeleton->maps.cpu_counts_0);
  }
};

namespace {

bool is_same(const process_id& a, const process_id& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;  // it has no padding
}

bool is_address(std::uint64_t frame) {
  return frame_kind_of(frame) == FRAME_USER;
}

// Called by libbpf for each record.  What is malformed could only come from a bug of ours: it is
// dropped, and its counts show up as "[lost stack]".
int keep_stack(void* context, void* data, std::size_t size) {
  auto& received = *static_cast<Received*>(context);
  if (size < sizeof(cpu_stack)) {
    return 0;
  }
  const auto* head = static_cast<const cpu_stack*>(data);
  const auto* frames = reinterpret_cast<const std::uint64_t*>(head + 1);
  const std::size_t room = (size - sizeof(cpu_stack)) / sizeof(std::uint64_t);
  if (head->frame_count > room) {
    return 0;
  }
  if (head->frame_count == 0) {
    received.unplaced.push_back({.process = head->process, .time_ns = head->time_ns});
    return 0;
  }
  const CpuSampler::Unplaced sampled{
      .process = head->process, .time_ns = head->time_ns, .is_sampled = true};
  if (received.sampled.empty() || !is_same(received.sampled.back().process, head->process)) {
    received.sampled.push_back(sampled);
  }
  const std::span<const std::uint64_t> stack(frames, head->frame_count);
  received.stacks[head->generation & 1].put(head->stack_id, head->time_ns, stack);
  if (std::ranges::any_of(stack, is_address)) {
    received.unplaced.push_back(sampled);
  }
  return 0;
}

int keep_python_names(void* context, void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  static_cast<Received*>(context)->python_names.emplace_back(bytes, bytes + size);
  return 0;
}

// What nothing will be written to takes no memory: 5.1 MiB otherwise.
void leave_python_out(cpu_sampler_bpf& skeleton) {
  for (bpf_map* map : {skeleton.maps.py_processes, skeleton.maps.py_layouts,
                       skeleton.maps.py_threads, skeleton.maps.py_codes}) {
    bpf_map__set_max_entries(map, 1);
  }
  // One page, the least that a ring has.
  bpf_map__set_max_entries(skeleton.maps.py_names, static_cast<std::uint32_t>(::getpagesize()));
}

void configure(cpu_sampler_bpf& skeleton, const CpuSamplerOptions& options,
               std::uint32_t cpu_count) {
  const std::uint32_t ring_count = std::min(cpu_count, kMaxRings);
  auto& config = skeleton.rodata->cpu_config;
  config.self_tgid = options.skips_itself ? static_cast<std::uint32_t>(::getpid()) : 0;
  config.is_pid_filtered = options.is_pid_filtered ? 1 : 0;
  skeleton.rodata->sel_has_cgroups = options.is_cgroup_filtered ? 1 : 0;
  skeleton.rodata->sel_has_comms = options.is_comm_filtered ? 1 : 0;
  config.is_thread_counted = options.counts_threads ? 1 : 0;
  config.is_timed = options.is_timed ? 1 : 0;
  skeleton.rodata->py_has_lines = options.has_python_lines ? 1 : 0;
  skeleton.rodata->py_keeps_loops = options.keeps_python_loops ? 1 : 0;
  config.ring_count = ring_count;
  config.ring_bytes = ring_bytes_for(options, (cpu_count + ring_count - 1) / ring_count);

  const auto capacity = static_cast<std::uint32_t>(count_capacity(options.frequency, cpu_count));
  bpf_map__set_max_entries(skeleton.maps.cpu_counts_0, capacity);
  bpf_map__set_max_entries(skeleton.maps.cpu_counts_1, capacity);
  bpf_map__set_max_entries(skeleton.maps.cpu_stacks, ring_count);
  bpf_map__set_max_entries(skeleton.maps.sel_pids,
                           options.is_pid_filtered ? std::uint32_t{SEL_MAX_PIDS} : 1);
  bpf_map__set_max_entries(skeleton.maps.sel_cgroups,
                           options.is_cgroup_filtered ? std::uint32_t{SEL_MAX_CGROUPS} : 1);
  bpf_map__set_max_entries(skeleton.maps.sel_comms,
                           options.is_comm_filtered ? std::uint32_t{SEL_MAX_COMMS} : 1);
  bpf_map__set_max_entries(skeleton.maps.proc_mappings, options.max_processes);
  bpf_map__set_max_entries(skeleton.maps.unw_rules, UNW_MAX_RULES);
  if (!options.walks_python) {
    leave_python_out(skeleton);
  }
  bpf_program__set_autoload(skeleton.progs.cpu_on_fork, options.follows_children);
  bpf_program__set_autoload(skeleton.progs.cpu_on_mmap, can_trace_function(kMmapFunction));
  bpf_program__set_autoload(skeleton.progs.cpu_on_exit, options.is_pid_filtered);
  skeleton.rodata->kc_has_btf = has_kernel_btf() ? 1 : 0;
  bpf_program__set_autoload(skeleton.progs.cpu_on_list, has_kernel_btf());
}

}  // namespace

CpuSampler::CpuSampler(std::unique_ptr<State> state) : state_(std::move(state)) {}
CpuSampler::CpuSampler(CpuSampler&&) noexcept = default;
CpuSampler& CpuSampler::operator=(CpuSampler&&) noexcept = default;
CpuSampler::~CpuSampler() = default;

Result<CpuSampler> CpuSampler::load(const CpuSamplerOptions& options) {
  const LibbpfLog log;
  const int possible = libbpf_num_possible_cpus();
  if (possible <= 0) {
    return fail_errno("count the possible CPUs", -possible);
  }
  auto state = std::make_unique<State>();
  state->options = options;
  state->cpu_count = static_cast<std::uint32_t>(possible);
  bpf_object_open_opts opts{};
  opts.sz = sizeof(opts);
  opts.btf_custom_path = options.btf_path.empty() ? nullptr : options.btf_path.c_str();
  state->skeleton.reset(cpu_sampler_bpf::open(&opts));
  if (!state->skeleton) {
    return fail_errno("open cpu_sampler: " + log.last_lines(), errno);
  }
  configure(*state->skeleton, options, state->cpu_count);
  if (const int error = cpu_sampler_bpf::load(state->skeleton.get()); error != 0) {
    return fail(code_of_load_error(error),
                fmt::format("load cpu_sampler: {} ({})", fail_errno("bpf", -error).error().what,
                            log.last_lines()));
  }
  CpuSampler sampler(std::move(state));
  TRY(sampler.load_rings());
  return sampler;
}

Result<> CpuSampler::load_rings() {
  const auto& config = state_->skeleton->rodata->cpu_config;
  const int outer = bpf_map__fd(state_->skeleton->maps.cpu_stacks);
  for (std::uint32_t i = 0; i < config.ring_count; ++i) {
    UniqueFd ring = TRY(create_map(BPF_MAP_TYPE_RINGBUF, "cpu_ring", 0, 0, config.ring_bytes));
    const int fd = ring.get();
    if (bpf_map_update_elem(outer, &i, &fd, BPF_ANY) != 0) {
      return fail_errno("put a ring into cpu_stacks", errno);
    }
    if (!state_->reader) {
      state_->reader.reset(ring_buffer__new(fd, keep_stack, &state_->received, nullptr));
    } else if (ring_buffer__add(state_->reader.get(), fd, keep_stack, &state_->received) != 0) {
      return fail_errno("read a ring of cpu_stacks", errno);
    }
    if (!state_->reader) {
      return fail_errno("read a ring of cpu_stacks", errno);
    }
    state_->rings.push_back(std::move(ring));
  }
  // After the stacks, whose names are in it by then: libbpf reads rings in this order.
  const int names = bpf_map__fd(state_->skeleton->maps.py_names);
  if (ring_buffer__add(state_->reader.get(), names, keep_python_names, &state_->received) != 0) {
    return fail_errno("read the ring py_names", errno);
  }
  return {};
}

Result<> CpuSampler::select_pid(pid_t pid) {
  const auto key = static_cast<std::uint32_t>(pid);
  const std::uint32_t flags = state_->options.follows_children ? SEL_CHILDREN : SEL_ONLY;
  const int map = bpf_map__fd(state_->skeleton->maps.sel_pids);
  if (bpf_map_update_elem(map, &key, &flags, BPF_ANY) != 0) {
    return fail_errno(fmt::format("select process {}", pid), errno);
  }
  return {};
}

// The new ones come before the old ones go.
Result<> CpuSampler::select_pids(std::span<const pid_t> pids) {
  for (const pid_t pid : pids) {
    TRY(select_pid(pid));
  }
  volatile std::uint32_t& ignored = state_->skeleton->bss->sel_ignored;
  const std::uint32_t others = ignored & ~std::uint32_t{SEL_FILTER_PIDS};
  ignored = others | (pids.empty() ? std::uint32_t{SEL_FILTER_PIDS} : 0);
  const int map = bpf_map__fd(state_->skeleton->maps.sel_pids);
  std::vector<std::uint32_t> gone;
  std::uint32_t key = 0;
  const void* previous = nullptr;
  for (std::size_t i = 0; i < SEL_MAX_PIDS && bpf_map_get_next_key(map, previous, &key) == 0; ++i) {
    previous = &key;
    if (std::ranges::find(pids, static_cast<pid_t>(key)) == pids.end()) {
      gone.push_back(key);
    }
  }
  for (const std::uint32_t pid : gone) {
    (void)bpf_map_delete_elem(map, &pid);  // it may have ended meanwhile
  }
  return {};
}

void CpuSampler::let_all_names(bool is_let) {
  volatile std::uint32_t& ignored = state_->skeleton->bss->sel_ignored;
  const std::uint32_t others = ignored & ~std::uint32_t{SEL_FILTER_COMMS};
  ignored = others | (is_let ? std::uint32_t{SEL_FILTER_COMMS} : 0);
}

bool CpuSampler::is_selected(pid_t pid) const {
  const auto key = static_cast<std::uint32_t>(pid);
  std::uint32_t flags = 0;
  return !state_->options.is_pid_filtered ||
         (state_->skeleton->bss->sel_ignored & SEL_FILTER_PIDS) != 0 ||
         bpf_map_lookup_elem(bpf_map__fd(state_->skeleton->maps.sel_pids), &key, &flags) == 0;
}

std::size_t CpuSampler::selected_count() const {
  const int map = bpf_map__fd(state_->skeleton->maps.sel_pids);
  std::size_t count = 0;
  std::uint32_t key = 0;
  const void* previous = nullptr;
  while (count < SEL_MAX_PIDS && bpf_map_get_next_key(map, previous, &key) == 0) {
    previous = &key;
    ++count;
  }
  return count;
}

Result<std::vector<process_thread>> CpuSampler::list_threads() const {
  const BpfLink link(bpf_program__attach_iter(state_->skeleton->progs.cpu_on_list, nullptr));
  if (!link) {
    return fail_errno("attach cpu_on_list", errno);
  }
  const UniqueFd list(bpf_iter_create(bpf_link__fd(link.get())));
  if (!list.is_open()) {
    return fail_errno("read cpu_on_list", errno);
  }
  constexpr std::size_t kMaxBytes = std::size_t{64} << 20;  // two million threads
  const std::string bytes = TRY(read_all(list.get(), kMaxBytes));
  std::vector<process_thread> threads(bytes.size() / sizeof(process_thread));
  std::memcpy(threads.data(), bytes.data(), threads.size() * sizeof(process_thread));
  return threads;
}

Result<> CpuSampler::start(const SamplingEvent& event) {
  const auto& programs = state_->skeleton->progs;
  if (state_->options.is_pid_filtered) {
    state_->exit_link = TRY(attach(programs.cpu_on_exit));
  }
  state_->exec_link = TRY(attach(programs.cpu_on_exec));
  if (state_->options.follows_children) {
    state_->fork_link = TRY(attach(programs.cpu_on_fork));
  }
  if (auto link = attach(programs.cpu_on_mmap)) {
    state_->mmap_link = *std::move(link);
  } else {
    LOG_DEBUG(
        "{}: for some milliseconds, a library that is mapped where another was can have the "
        "stacks of that",
        link.error().what);
  }
  state_->events.emplace(event, state_->options.frequency);
  return state_->events->start(programs.cpu_on_tick);
}

int CpuSampler::poll_fd() const {
  return ring_buffer__epoll_fd(state_->reader.get());
}

Result<> CpuSampler::consume() {
  const int count = ring_buffer__consume(state_->reader.get());
  if (count < 0) {
    return fail_errno("consume cpu_stacks", -count);
  }
  return {};
}

std::vector<CpuSampler::Unplaced> CpuSampler::take_unplaced() {
  return std::exchange(state_->received.unplaced, {});
}

std::vector<CpuSampler::Unplaced> CpuSampler::take_sampled() {
  return std::exchange(state_->received.sampled, {});
}

std::vector<std::vector<std::byte>> CpuSampler::take_python_names() {
  return std::exchange(state_->received.python_names, {});
}

Result<> CpuSampler::end_generation() {
  volatile std::uint32_t& generation = state_->skeleton->bss->cpu_generation;
  generation = generation + 1;
  TRY(wait_for_running_programs());  // those that read the old value still count into its table
  return consume();
}

Result<> CpuSampler::drain(const CountedStackSink& sink) {
  TRY(end_generation());
  return read_ended(sink);
}

Result<> CpuSampler::read_ended(const CountedStackSink& sink) {
  const std::uint32_t generation = state_->skeleton->bss->cpu_generation - 1;
  const int map = state_->counts_fd(generation);
  StackStore& stacks = state_->received.stacks[generation & 1];
  const std::uint32_t capacity = bpf_map__max_entries(state_->skeleton->maps.cpu_counts_0);
  std::vector<cpu_count_key> keys(capacity);
  std::vector<std::uint64_t> counts(capacity);
  std::uint32_t next_batch = 0;
  bool is_first = true;
  for (;;) {
    std::uint32_t count = capacity;
    const int error =
        bpf_map_lookup_and_delete_batch(map, is_first ? nullptr : &next_batch, &next_batch,
                                        keys.data(), counts.data(), &count, nullptr);
    if (error != 0 && error != -ENOENT) {
      return fail_errno("read cpu_counts", -error);
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      const StackStore::Stack stack = stacks.find(keys[i].stack_id);
      sink({.key = keys[i], .count = counts[i], .time_ns = stack.time_ns, .frames = stack.frames});
    }
    if (error == -ENOENT) {
      break;  // that was the last bucket
    }
    is_first = false;
  }
  stacks.clear();
  return {};
}

milliseconds CpuSampler::drain_interval() const {
  return interval_for(bpf_map__max_entries(state_->skeleton->maps.cpu_counts_0),
                      state_->options.frequency, state_->cpu_count);
}

Result<> CpuSampler::set_frequency(int frequency) {
  state_->options.frequency = frequency;
  return state_->events->set_frequency(frequency);
}

void CpuSampler::pause() {
  state_->events->pause();
}

void CpuSampler::go_on() {
  state_->events->go_on();
}

Result<> CpuSampler::refresh_cpus() {
  return state_->events->refresh();
}

void CpuSampler::stop() {
  state_->events->stop();
  state_->fork_link.reset();
  state_->exec_link.reset();
  state_->mmap_link.reset();
  state_->exit_link.reset();
}

namespace {

// Sums over all CPUs of what one of the two generations counted.
Result<cpu_stats> read_stats(int map, std::uint32_t generation, std::uint32_t cpu_count) {
  std::vector<cpu_stats> per_cpu(cpu_count);
  const std::uint32_t key = generation & 1;
  if (bpf_map_lookup_elem(map, &key, per_cpu.data()) != 0) {
    return fail_errno("read cpu_stats", errno);
  }
  cpu_stats sums{};
  for (const cpu_stats& counters : per_cpu) {
    sums = sum_of(sums, counters);
  }
  return sums;
}

}  // namespace

Result<cpu_stats> CpuSampler::stats() const {
  const int map = bpf_map__fd(state_->skeleton->maps.cpu_stats);
  return sum_of(TRY(read_stats(map, 0, state_->cpu_count)),
                TRY(read_stats(map, 1, state_->cpu_count)));
}

Result<cpu_stats> CpuSampler::take_ended_stats() {
  const std::uint32_t ended = (state_->skeleton->bss->cpu_generation - 1) & 1;
  const int map = bpf_map__fd(state_->skeleton->maps.cpu_stats);
  const cpu_stats now = TRY(read_stats(map, ended, state_->cpu_count));
  return difference_of(now, std::exchange(state_->told_stats.at(ended), now));
}

std::uint64_t CpuSampler::withheld(const cpu_stats& stats) const {
  return state_->events ? state_->events->withheld(stats.ticks, stats.ticks_period) : 0;
}

std::uint64_t CpuSampler::map_bytes() const {
  std::uint64_t sum = 0;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, state_->skeleton->obj) {
    sum += waggle::map_bytes(bpf_map__fd(map)).value_or(0);
  }
  for (const UniqueFd& ring : state_->rings) {
    sum += waggle::map_bytes(ring.get()).value_or(0);
  }
  return sum;
}

int CpuSampler::mappings_fd() const {
  return bpf_map__fd(state_->skeleton->maps.proc_mappings);
}

int CpuSampler::nodes_fd() const {
  return bpf_map__fd(state_->skeleton->maps.proc_nodes);
}

volatile __u64& CpuSampler::mappings_version() {
  return state_->skeleton->bss->proc_version;
}

int CpuSampler::tables_fd() const {
  return bpf_map__fd(state_->skeleton->maps.unw_nodes);
}

int CpuSampler::rules_fd() const {
  return bpf_map__fd(state_->skeleton->maps.unw_rules);
}

int CpuSampler::python_processes_fd() const {
  return bpf_map__fd(state_->skeleton->maps.py_processes);
}

int CpuSampler::python_layouts_fd() const {
  return bpf_map__fd(state_->skeleton->maps.py_layouts);
}

int CpuSampler::cgroups_fd() const {
  return bpf_map__fd(state_->skeleton->maps.sel_cgroups);
}

int CpuSampler::comms_fd() const {
  return bpf_map__fd(state_->skeleton->maps.sel_comms);
}

volatile sel_cgroup_state& CpuSampler::cgroup_state() {
  return state_->skeleton->bss->sel_state;
}

Result<> CpuSampler::pin(const std::string& directory) {
  state_->pins.emplace(TRY(PinDirectory::open(directory)));
  return state_->pins->pin(state_->skeleton->obj);
}

std::vector<CpuSampler::LoadedProgram> CpuSampler::programs() const {
  std::vector<LoadedProgram> loaded;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, state_->skeleton->obj) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_program__fd(program) < 0 ||
        bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0) {
      continue;  // not loaded: see configure()
    }
    loaded.push_back({.name = bpf_program__name(program),
                      .id = info.id,
                      .verified_instructions = info.verified_insns,
                      .run_count = info.run_cnt,
                      .run_time_ns = info.run_time_ns});
  }
  return loaded;
}

}  // namespace waggle
