// SPDX-License-Identifier: Apache-2.0
#include "userspace/recorder.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <thread>
#include <utility>
#include <variant>

#include "userspace/process/mapped_file.h"
#include "userspace/process/process_memory.h"
#include "userspace/process/start_order.h"
#include "userspace/runtimes/python/frame_text.h"
#include "userspace/runtimes/python/layout.h"
#include "userspace/runtimes/python/lines.h"
#include "userspace/runtimes/python/package_metadata.h"
#include "userspace/runtimes/python/python_names.h"
#include "userspace/runtimes/python/stacks.h"
#include "userspace/samplers/cpu_stats_sums.h"
#include "userspace/select/match.h"
#include "userspace/select/selection_maps.h"

namespace waggle {

namespace {

using Clock = std::chrono::steady_clock;

// A start without them takes 110 ms, and may take 250.
constexpr std::chrono::milliseconds kReadTime{40};   // to read what the processes have mapped
constexpr std::chrono::milliseconds kTableTime{90};  // and until their tables are there

// Of processes that do not run, 0.2 ms each: they are sampled seldom.
constexpr std::size_t kIdlePrepared = 32;

// Of the rest only what has used as much CPU as brings a sample or two at 99 Hz is prepared, by the
// way: a part in fifty of the time.
constexpr std::uint64_t kSampledNs = 20'000'000;
constexpr std::chrono::milliseconds kLaterTime{20};

// The thread that hears the kernel does little and must do it at once: beside three busy processes
// on each CPU a new mapping waits 4 ms, p99 16, and 8 and 45 without it.  Where it is refused, so
// be it.
void hear_first() {
  constexpr int kNice = -15;
  (void)::setpriority(PRIO_PROCESS, 0, kNice);  // this thread's alone
}

std::uint64_t sample_count_of(const LocatedBatch& batch) {
  std::uint64_t sum = 0;
  for (const LocatedStack& stack : batch.stacks) {
    sum += stack.count;
  }
  return sum;
}

}  // namespace

Recorder::Recorder(Parts parts, std::size_t names_bytes)
    : pacer_(std::move(parts.pacer)),
      stream_(std::move(parts.stream)),
      processes_(ProcFs()),
      locator_(processes_),
      resolver_(names_bytes, pacer_.get()),
      sampler_(std::move(parts.sampler)),
      tables_(std::move(parts.tables)),
      python_(std::move(parts.python)),
      follower_(processes_, locator_, tables_, python_ ? &*python_ : nullptr,
                sampler_.mappings_fd(), sampler_.nodes_fd(), sampler_.mappings_version()),
      room_([this] { (void)follower_.make_room(); }) {}  // who needs it will say

Result<std::unique_ptr<Recorder>> Recorder::prepare(const CpuSamplerOptions& options,
                                                    const TableOptions& table_options,
                                                    const PythonOptions& python_options) {
  CpuSampler sampler = TRY(CpuSampler::load(options));
  std::unique_ptr<UnwindTableFiles> files;
  if (!table_options.files_directory.empty()) {
    files = TRY(UnwindTableFiles::open(table_options.files_directory));
  }
  auto pacer = std::make_unique<CpuPacer>();
  UnwindTables tables =
      TRY(UnwindTables::start(sampler.tables_fd(), sampler.rules_fd(), table_options.budget_bytes,
                              std::move(files), pacer.get()));
  std::optional<PythonFeeder> python;
  if (python_options.is_walked) {
    python = TRY(PythonFeeder::start(sampler.python_processes_fd(), sampler.python_layouts_fd(),
                                     python_options.max_processes));
  }
  ProcessStream stream = TRY(ProcessStream::open());
  std::unique_ptr<Recorder> recorder(new Recorder({.pacer = std::move(pacer),
                                                   .sampler = std::move(sampler),
                                                   .stream = std::move(stream),
                                                   .tables = std::move(tables),
                                                   .python = std::move(python)},
                                                  table_options.names_bytes));
  recorder->prepares_running_ = table_options.prepares_running;
  recorder->has_python_lines_ = python_options.is_walked && options.has_python_lines;
  recorder->has_python_versions_ = python_options.is_walked && python_options.has_versions;
  if (auto threads = recorder->sampler_.list_threads()) {
    recorder->threads_before_ = *std::move(threads);
  }
  recorder->event_ = TRY(choose_sampling_event());
  return recorder;
}

// Processes that will be sampled soon, their tables asked for.  What is left out is met at its
// first samples, as are all where the kernel cannot tell of its threads.
std::vector<process_id> Recorder::choose_running() {
  const Clock::time_point end = Clock::now() + kReadTime;
  const std::uint64_t now_ns = TableClock::now().monotonic_ns;
  listed_ns_ = now_ns;
  const auto threads = sampler_.list_threads();
  if (!threads) {
    return {};
  }
  stream_.drain([this](const ProcessRecord& record) { on_record(record); });  // execs up to then
  const auto is_selected = [this](std::uint32_t tgid) {
    const auto pid = static_cast<pid_t>(tgid);
    return pid != ::getpid() && sampler_.is_selected(pid) &&
           (selection_.is_everything() || match_process(tgid, selection_));
  };
  std::vector<process_id> chosen;
  for (const StartCandidate& candidate : order_for_start(threads_before_, *threads, is_selected)) {
    const bool is_enough = !candidate.is_running() && chosen.size() >= kIdlePrepared;
    if (is_enough || Clock::now() > end) {
      if (candidate.cpu_ns >= kSampledNs) {
        later_.push_back(candidate.process);
      }
      continue;
    }
    const auto urgency = candidate.is_running() ? UnwindUrgency::sampled : UnwindUrgency::known;
    follower_.prepare(candidate.process, now_ns, urgency);
    chosen.push_back(candidate.process);
  }
  std::ranges::reverse(later_);
  return chosen;
}

// The rest, a little at each tick.
void Recorder::prepare_later() {
  const Clock::time_point end = Clock::now() + kLaterTime;
  while (!later_.empty() && Clock::now() < end) {
    follower_.prepare(later_.back(), listed_ns_, UnwindUrgency::known);
    follower_.want(later_.back(), listed_ns_);
    later_.pop_back();
  }
}

void Recorder::wait_for_tables(Clock::time_point end) {
  const auto is_waiting = [this] {
    return tables_.is_waiting() || (python_ && python_->is_waiting());
  };
  while (is_waiting() && Clock::now() < end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    std::array done{pollfd{.fd = tables_.fd(), .events = POLLIN, .revents = 0},
                    pollfd{.fd = python_ ? python_->fd() : -1, .events = POLLIN, .revents = 0}};
    if (::poll(done.data(), done.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) {
      return;
    }
    follower_.take_tables(TableClock::now().monotonic_ns);
  }
}

// Their first samples are whole then.
void Recorder::prepare_running() {
  const Clock::time_point end = Clock::now() + kTableTime;
  const std::vector<process_id> chosen = choose_running();
  wait_for_tables(end);
  const std::uint64_t now_ns = TableClock::now().monotonic_ns;
  for (const process_id& process : chosen) {
    follower_.want(process, now_ns);
  }
  follower_.catch_up();
}

Result<> Recorder::select(Selection selection) {
  selection_ = std::move(selection);
  TRY(SelectionMaps(sampler_.cgroups_fd(), sampler_.comms_fd(), sampler_.cgroup_state())
          .set(selection_));
  sampler_.let_all_names(selection_.comms.empty());
  return {};
}

Result<> Recorder::start() {
  hear_first();
  TRY(processes_.scan());
  room_.join();
  if (prepares_running_) {
    prepare_running();
  }
  threads_before_ = {};
  start_ = std::chrono::steady_clock::now();
  return sampler_.start(event_);
}

std::string Recorder::tell_apart(pid_t pid) {
  hear_processes();
  const auto tgid = static_cast<std::uint32_t>(pid);
  locator_.tell_apart(tgid);
  const std::uint64_t now_ns = TableClock::now().monotonic_ns;
  const auto process = processes_.find_instance(tgid, now_ns);
  const auto name = process ? processes_.find_exec_name(*process, now_ns) : std::nullopt;
  return name ? std::string(*name) : "[unknown]";
}

std::vector<int> Recorder::fds() const {
  std::vector<int> fds = stream_.fds();
  fds.push_back(sampler_.poll_fd());
  fds.push_back(tables_.fd());
  if (python_) {
    fds.push_back(python_->fd());
  }
  return fds;
}

void Recorder::hear_processes() {
  // Before the drain: all execs up to then are known after it.
  const std::uint64_t now_ns = TableClock::now().monotonic_ns;
  {
    const PacedWork hearing(&hearing_pacer_);
    stream_.drain([this](const ProcessRecord& record) { on_record(record); });
  }
  const PacedWork feeding(pacer_.get());
  follower_.take_tables(now_ns);
  follower_.catch_up();
  std::vector<OpenedFile> opened = locator_.take_opened();
  for (const OpenedFile& file : opened) {
    tables_.want(file.file, locator_.place_of(file.file), UnwindUrgency::known);
  }
  resolver_.read(std::move(opened));
}

void Recorder::on_record(const ProcessRecord& record) {
  processes_.apply(record);
  if (const auto* map = std::get_if<MapRecord>(&record)) {
    note(*map);
  }
  if (const auto* exec = std::get_if<ExecRecord>(&record); exec != nullptr && watches_execs_) {
    execs_.push_back(exec->pid);
  }
  follower_.on_record(record);
}

void Recorder::note(const MapRecord& record) {
  if (!sampler_.is_selected(static_cast<pid_t>(record.pid))) {
    return;
  }
  if (record.inode != 0) {
    if (!has_time_to_prepare()) {
      return;  // its file is found at the first sample, if the process lives
    }
    locator_.note_file({.pid = static_cast<pid_t>(record.pid),
                        .start = record.start,
                        .end = record.start + record.size_bytes,
                        .path = record.path,
                        .dev = ::makedev(record.device_major, record.device_minor),
                        .inode = record.inode,
                        .inode_generation = record.inode_generation,
                        .mapped_ns = record.time_ns,
                        .time_ns = record.time_ns});
  } else if (region_name(record.path).empty()) {
    locator_.note_generated_code(record.pid);
  }
}

// What is read from the process is read now: of one that has ended by now functions have their
// first line, and no version.  The rest is left to the resolver's thread.
FunctionRef Recorder::make_function(PythonNames names) {
  const py_layout* layout = python_->find_layout(names.process);
  const std::uint32_t version = layout == nullptr ? 0 : layout->version;
  std::optional<std::vector<std::byte>> table;
  if (has_python_lines_ && layout != nullptr) {
    table = read_python_line_table(ProcessMemory(static_cast<pid_t>(names.process.tgid)), *layout,
                                   names.code);
  }
  std::string library;
  ProcessRoot root;
  if (has_python_versions_ && version != 0 && is_standard_library(names.file)) {
    library = "standard-library==" + python_version_text(version);
  } else if (has_python_versions_ && packages_folder(names.file)) {
    root = roots_.find(names.process);
  }
  return std::make_shared<const FunctionText>(
      [this, names = std::move(names), table = std::move(table), version,
       library = std::move(library),
       root = std::move(root)](std::optional<std::uint64_t> position) {
        std::optional<std::int32_t> line;
        if (table && position) {
          line = find_python_line(*table, version, names.first_line,
                                  static_cast<std::int64_t>(*position));
        }
        const auto package =
            root != nullptr ? packages_.find(root->get(), names.file) : std::nullopt;
        return python_frame_text({.file = names.file,
                                  .name = names.name,
                                  .line = line.value_or(names.first_line),
                                  .package = package ? package_text(*package) : library});
      });
}

// A record that is none could only come from a bug of ours: its frames show up as lost names.
void Recorder::take_python_names() {
  for (const std::vector<std::byte>& record : sampler_.take_python_names()) {
    if (auto names = read_python_names(record)) {
      const std::uint64_t id = names->code_id;
      locator_.name_function(id, make_function(*std::move(names)));
    }
  }
}

std::vector<PythonFeeder::Problem> Recorder::take_python_problems() {
  return python_ ? python_->take_problems() : std::vector<PythonFeeder::Problem>();
}

std::vector<std::uint32_t> Recorder::take_python_above() {
  return python_ ? python_->take_above() : std::vector<std::uint32_t>();
}

PythonFeeder::Counters Recorder::python_counters() const {
  return python_ ? python_->counters() : PythonFeeder::Counters();
}

std::chrono::milliseconds Recorder::rest() {
  // A ring of the stream holds what a CPU does in 100 ms at 2,000 programs a second.
  constexpr std::chrono::milliseconds kRest(50);
  return is_paused_ || !hearing_pacer_.may_begin() ? kRest : std::chrono::milliseconds(0);
}

Result<> Recorder::on_readable() {
  TRY(sampler_.consume());
  take_python_names();
  for (const CpuSampler::Unplaced& unplaced : sampler_.take_unplaced()) {
    if (unplaced.is_sampled || has_time_to_prepare()) {
      follower_.want(unplaced.process, unplaced.time_ns);
    }
  }
  hear_processes();  // whose forks and execs a look at a process must not go ahead of
  for (const CpuSampler::Unplaced& sampled : sampler_.take_sampled()) {
    // Soon: many live for some milliseconds.
    (void)processes_.find_application(sampled.process, sampled.time_ns);
  }
  return {};
}

// For what is not sampled yet.
bool Recorder::has_time_to_prepare() {
  const bool has_time = !is_paused_ && pacer_->may_begin();
  unprepared_ += has_time ? 0 : 1;
  return has_time;
}

void Recorder::take_stack(const CountedStack& stack, std::uint64_t now_ns) {
  locator_.add(stack.key, stack.count, stack.frames.empty() ? now_ns : stack.time_ns, stack.frames);
}

Result<> Recorder::tick() {
  TRY(sampler_.end_generation());
  return take_ended_generation();
}

Result<> Recorder::take_ended_generation() {
  take_python_names();
  follower_.recycle();
  prepare_later();
  hear_processes();  // all that the ended generation's samples depend on
  const std::chrono::nanoseconds begin = thread_cpu_time();
  const std::uint64_t now_ns = TableClock::now().monotonic_ns;
  TRY(sampler_.read_ended([&](const CountedStack& stack) { take_stack(stack, now_ns); }));
  TRY(take_generation());
  stacks_time_ += thread_cpu_time() - begin;
  return {};
}

// Its counters, and its stacks on their way to their names.
Result<> Recorder::take_generation() {
  stats_ = sum_of(stats_, TRY(sampler_.take_ended_stats()));
  LocatedBatch batch = locator_.take();
  if (waits_for_names_) {
    resolver_.push(std::move(batch));
    return {};
  }
  const std::uint64_t sample_count = sample_count_of(batch);
  if (!resolver_.offer(std::move(batch))) {
    unnamed_ += sample_count;
  }
  return {};
}

// What the session has come to, but for its profile.
Result<Recording> Recorder::take_session(Clock::time_point end) {
  const std::uint64_t withheld = sampler_.withheld(TRY(sampler_.stats()));
  const cpu_stats stats = std::exchange(stats_, {});
  const std::uint64_t cut_samples = locator_.cut_samples();
  Recording recording{
      .profile = {},
      .event = event_,
      .stats = stats,
      .truncated = stats.truncated + cut_samples - std::exchange(cut_samples_, cut_samples),
      .unnamed = std::exchange(unnamed_, 0),
      .withheld = withheld - std::min(withheld, withheld_),
      .bpf_map_bytes = map_bytes(),
      .mappings = follower_.counters(),
      .tables = tables_.counters(),
      .table_files = tables_.file_counters(),
      .duration = end - start_,
      .kernel_names_problem = std::nullopt};
  withheld_ = std::max(withheld_, withheld);
  start_ = end;
  return recording;
}

void Recorder::pause() {
  is_paused_ = true;
  sampler_.pause();
}

void Recorder::go_on() {
  is_paused_ = false;
  sampler_.go_on();
}

Result<EndedSession> Recorder::cut(const std::function<void()>& change) {
  const Clock::time_point end = Clock::now();
  if (change) {
    sampler_.pause();
  }
  const Result<> ended = sampler_.end_generation();
  if (change) {
    change();
    if (!is_paused_) {
      sampler_.go_on();
    }
  }
  TRY(ended);
  TRY(take_ended_generation());
  locator_.forget_gone();
  return EndedSession(TRY(take_session(end)), resolver_.cut());
}

Result<Recording> EndedSession::wait() {
  try {
    Resolver::Resolved resolved = resolved_.get();
    recording_.profile = std::move(resolved.profile);
    recording_.kernel_names_problem = std::move(resolved.kernel_problem);
    recording_.given_up = resolved.given_up;
  } catch (const std::future_error&) {
    return fail(Errc::system, "the recording ended before its frames had names");
  }
  return std::move(recording_);
}

Result<> Recorder::housekeep() {
  processes_.advance();
  follower_.housekeep();
  tables_.housekeep();
  if (python_) {
    python_->housekeep();
  }
  TRY(stream_.refresh_cpus([this](const ProcessRecord& record) { on_record(record); }));
  return sampler_.refresh_cpus();
}

Result<> Recorder::stop() {
  sampler_.stop();
  end_ = std::chrono::steady_clock::now();
  TRY(tick());
  return tick();
}

Result<Recording> Recorder::finish() {
  Resolver::Resolved resolved = resolver_.finish();
  Recording recording = TRY(take_session(end_));
  recording.profile = std::move(resolved.profile);
  recording.kernel_names_problem = std::move(resolved.kernel_problem);
  recording.given_up = resolved.given_up;
  return recording;
}

}  // namespace waggle
