// SPDX-License-Identifier: Apache-2.0
// The engine of hosts without BTF or BPF, and of recordings without samples of the system's.
#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "userspace/cli/perf_cgroups.h"
#include "userspace/cli/record_engine.h"
#include "userspace/fallback_recorder.h"
#include "userspace/process/proc_fs.h"
#include "userspace/tools/external_tools.h"

namespace waggle {

namespace {

std::string read_thread_name(pid_t pid, pid_t tid) {
  return ProcFs().read_thread_name(static_cast<std::uint32_t>(pid),
                                   static_cast<std::uint32_t>(tid));
}

// `facts`: what is known without perf.
EngineResult result_of(FallbackRecording recording, RecordingFacts facts) {
  EngineResult result{.profile = std::move(recording.profile),
                      .facts = std::move(facts),
                      .warnings = {},
                      .is_sampled = !recording.is_blind};
  result.facts.duration_s = std::chrono::duration<double>(recording.duration).count();
  if (recording.tools.empty()) {
    return result;
  }
  result.facts.event = recording.event;
  result.facts.samples = recording.samples;
  if (recording.lost != 0) {
    result.facts.lost.emplace_back("perf_lost", recording.lost);
  }
  result.facts.throttled = recording.throttled;
  result.facts.truncated = recording.truncated;
  result.facts.overhead.cpu_s = std::chrono::duration<double>(recording.perf_cpu_time).count();
  result.facts.paused_s = std::chrono::duration<double>(recording.paused).count();
  if (recording.is_blind) {
    result.why_unsampled = recording.tools.front().second;
  }
  result.facts.tools = std::move(recording.tools);
  std::ranges::move(recording.excluded, std::back_inserter(result.facts.excluded));
  return result;
}

class FallbackEngine final : public RecordEngine {
 public:
  enum class Perf { none, needed, wanted };

  // `facts`: of what is not recorded.
  FallbackEngine(std::unique_ptr<FallbackRecorder> recorder, Perf perf, RecordingFacts facts)
      : recorder_(std::move(recorder)), perf_(perf), facts_(std::move(facts)) {}

  Result<> select_pid(pid_t pid) override {
    recorder_->select_pid(pid);
    return {};
  }
  Result<> select(const Selection& selection) override {
    // Without perf the profilers of runtimes keep to it.
    return perf_ == Perf::none ? Result<>() : select_for_perf(selection);
  }
  Result<> start() override;
  [[nodiscard]] std::vector<int> fds() const override { return {recorder_->fd()}; }
  Result<> on_readable() override { return recorder_->on_readable(); }
  [[nodiscard]] std::chrono::milliseconds tick_interval() const override {
    return std::chrono::milliseconds(100);
  }
  Result<> tick() override { return recorder_->tick(); }
  Result<> housekeep() override { return recorder_->housekeep(); }
  [[nodiscard]] std::uint64_t sample_count() const override { return recorder_->samples(); }
  [[nodiscard]] EngineFigures figures() const override {
    return {.has_sampling_children = perf_ != Perf::none};
  }
  [[nodiscard]] bool is_over() const override { return recorder_->is_over(); }
  [[nodiscard]] bool is_given_up() const override { return recorder_->is_given_up(); }
  std::vector<std::string> take_problems() override;
  std::vector<ContainerRef> take_new_containers() override {
    return recorder_->take_new_containers();
  }
  void tell_applications(const ApplicationSink& sink) override {
    recorder_->tell_applications(sink);
  }
  RuntimeHooks runtime_hooks() override {
    return {.tell_apart = [this](pid_t pid) { return recorder_->tell_apart(pid); },
            .add_own = [this](pid_t pid) { recorder_->add_own(pid); },
            .thread_name =
                [this](pid_t pid, pid_t tid) {
                  return perf_ == Perf::none ? read_thread_name(pid, tid)
                                             : recorder_->thread_name(tid);
                }};
  }
  void watch_spawned() override { recorder_->watch_execs(); }
  std::vector<std::uint32_t> take_spawned() override { return recorder_->take_execs(); }
  [[nodiscard]] bool has_samples() const override { return perf_ != Perf::none; }
  // Not once perf has ended for good: another engine may find it.
  [[nodiscard]] bool can_cut() const override {
    return perf_ != Perf::none && !recorder_->is_over() && !recorder_->is_given_up();
  }
  // perf is told what to sample when it starts.
  [[nodiscard]] bool can_change() const override { return false; }
  Result<SessionCut> cut(const SessionSettings* change) override;
  void hurry() override { recorder_->hurry(); }
  void limit_stop(std::chrono::milliseconds time) override { recorder_->limit_stop(time); }
  Result<> stop() override { return recorder_->stop(); }
  Result<EngineResult> finish() override {
    return result_of(TRY(recorder_->finish()), std::move(facts_));
  }

  // Selections are of a ranking.
  void take_ranked() { is_ranked_ = true; }

 private:
  Result<> select_for_perf(const Selection& selection);
  void go_without_perf(const std::string& why);

  std::shared_ptr<FallbackRecorder> recorder_;  // for a moment an end of a session owns it too
  Perf perf_;
  bool is_ranked_ = false;
  RecordingFacts facts_;
  std::vector<std::string> problems_;
};

Result<> FallbackEngine::select_for_perf(const Selection& selection) {
  if (!is_ranked_) {
    recorder_->select_cgroups(TRY(perf_cgroups_of(selection)));
    return {};
  }
  RankedPerfCgroups ranked = TRY(ranked_perf_cgroups_of(selection));
  std::ranges::move(ranked.left_out, std::back_inserter(facts_.excluded));
  if (ranked.names.empty()) {  // perf would sample the whole host
    go_without_perf("--perf-use-cgroups chose no cgroup that perf can be told of");
  }
  recorder_->select_cgroups(std::move(ranked.names));
  return {};
}

Result<> FallbackEngine::start() {
  Result<> started = recorder_->start();
  if (!started && perf_ == Perf::wanted && !recorder_->is_over_without_perf()) {
    go_without_perf(started.error().what);
    return {};
  }
  return started;
}

// It passed its trial, and refuses now.
void FallbackEngine::go_without_perf(const std::string& why) {
  recorder_->go_on_blind();
  perf_ = Perf::none;
  facts_.event = "none";
  facts_.tools.emplace_back("perf", why);
  facts_.excluded.push_back(runtimes_alone(why));
  problems_.push_back(why + ", continuing with the profilers of runtimes alone");
}

std::vector<std::string> FallbackEngine::take_problems() {
  std::vector<std::string> problems = std::exchange(problems_, {});
  std::ranges::move(recorder_->take_problems(), std::back_inserter(problems));
  return problems;
}

Result<SessionCut> FallbackEngine::cut(const SessionSettings* change) {
  if (change != nullptr) {
    return fail(Errc::unsupported, "perf cannot be told of another selection while it samples");
  }
  SessionCut cut;
  cut.end = [recorder = std::weak_ptr(recorder_), ended = recorder_->cut(),
             facts = facts_]() mutable -> Result<EngineResult> {
    return result_of(TRY(FallbackRecorder::wait(recorder, std::move(ended))), std::move(facts));
  };
  return cut;
}

FallbackOptions fallback_options(const RecordOptions& options) {
  return {.perf = {},
          .mode = options.perf_mode,
          .dwarf_stack_bytes = options.perf_dwarf_stack_bytes,
          .is_pid_filtered = !options.pids.empty() || !options.command.empty(),
          .follows_children = options.with_children || !options.command.empty(),
          .counts_threads = options.has_thread_frames,
          .shows_files = options.shows_files,
          .restarts_large_perf = options.restarts_large_perf};
}

}  // namespace

// Before anything is started; perf_cgroups_of() says the rest.
Result<> check_fallback(const RecordOptions& options) {
  const std::string_view filter = kernel_filter_of(options);
  const std::string_view beyond_perf = !options.comms.empty()              ? "--comm"
                                       : !options.excluded_cgroups.empty() ? "--cgroup-exclude"
                                                                           : "";
  if (!beyond_perf.empty()) {
    return fail(Errc::unsupported,
                fmt::format("{} needs the ebpf engine: perf cannot tell (what is missing here: "
                            "waggle doctor; --cgroup and -p work with perf too)",
                            beyond_perf));
  }
  if (!filter.empty() && options.is_perf_disabled) {
    return fail(Errc::unsupported, fmt::format("{} needs perf or the ebpf engine", filter));
  }
  if (!filter.empty() && options.with_children) {
    return fail(
        Errc::unsupported,
        fmt::format("{} with --children needs the ebpf engine: perf cannot tell both", filter));
  }
  return {};
}

Result<PerfProgram> find_perf(const RecordOptions& options) {
  Result<std::string> path = locate_tool("perf", options.perf_path);
  if (!path) {
    // Without it nothing here can sample: a feature that is missing, not a target.
    return fail(Errc::unsupported, path.error().what);
  }
  Result<std::string> version = read_tool_version(*path);
  if (!version) {
    return fail(Errc::unsupported, fmt::format("{} {}", *path, version.error().what));
  }
  return PerfProgram{.path = *std::move(path), .version = *std::move(version)};
}

Result<std::unique_ptr<RecordEngine>> make_fallback_engine(const RecordOptions& options,
                                                           int frequency_hz,
                                                           const std::string& perf, bool goes_on) {
  FallbackOptions prepared = fallback_options(options);
  prepared.perf = perf;
  prepared.frequency_hz = frequency_hz;
  RecordingFacts facts;
  facts.engine = "fallback";
  auto engine = std::make_unique<FallbackEngine>(
      TRY(FallbackRecorder::prepare(prepared)),
      goes_on ? FallbackEngine::Perf::wanted : FallbackEngine::Perf::needed, std::move(facts));
  if (options.ranks_cgroups) {
    engine->take_ranked();
  }
  return engine;
}

Result<std::unique_ptr<RecordEngine>> make_idle_engine(const RecordOptions& options,
                                                       RecordingFacts facts) {
  return std::make_unique<FallbackEngine>(
      TRY(FallbackRecorder::prepare_blind(fallback_options(options))), FallbackEngine::Perf::none,
      std::move(facts));
}

std::string runtimes_alone(std::string_view why) {
  return fmt::format("all but what profilers of runtimes see, each by its own clock ({})", why);
}

}  // namespace waggle
