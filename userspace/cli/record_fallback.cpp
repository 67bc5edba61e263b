// SPDX-License-Identifier: Apache-2.0
// The engine of hosts without BTF or BPF.
#include <fmt/core.h>

#include <string_view>
#include <utility>

#include "base/log.h"
#include "userspace/cli/perf_cgroups.h"
#include "userspace/cli/record_engine.h"
#include "userspace/fallback_recorder.h"
#include "userspace/tools/external_tools.h"

namespace waggle {

namespace {

EngineResult result_of(FallbackRecording recording) {
  RecordingFacts facts;
  facts.engine = "fallback";
  facts.event = recording.event;
  facts.duration_s = std::chrono::duration<double>(recording.duration).count();
  facts.samples = recording.samples;
  if (recording.lost != 0) {
    facts.lost.emplace_back("perf_lost", recording.lost);
  }
  facts.throttled = recording.throttled;
  facts.truncated = recording.truncated;
  facts.overhead.cpu_s = std::chrono::duration<double>(recording.perf_cpu_time).count();
  facts.paused_s = std::chrono::duration<double>(recording.paused).count();
  facts.tools = std::move(recording.tools);
  facts.excluded = std::move(recording.excluded);
  return EngineResult{
      .profile = std::move(recording.profile), .facts = std::move(facts), .warnings = {}};
}

class FallbackEngine final : public RecordEngine {
 public:
  explicit FallbackEngine(std::unique_ptr<FallbackRecorder> recorder)
      : recorder_(std::move(recorder)) {}

  Result<> select_pid(pid_t pid) override {
    recorder_->select_pid(pid);
    return {};
  }
  Result<> select(const Selection& selection) override {
    recorder_->select_cgroups(TRY(perf_cgroups_of(selection)));
    return {};
  }
  Result<> start() override { return recorder_->start(); }
  [[nodiscard]] std::vector<int> fds() const override { return {recorder_->fd()}; }
  Result<> on_readable() override { return recorder_->on_readable(); }
  [[nodiscard]] std::chrono::milliseconds tick_interval() const override {
    return std::chrono::milliseconds(100);
  }
  Result<> tick() override { return recorder_->tick(); }
  Result<> housekeep() override { return recorder_->housekeep(); }
  [[nodiscard]] std::uint64_t sample_count() const override { return recorder_->samples(); }
  [[nodiscard]] EngineFigures figures() const override { return {.has_sampling_children = true}; }
  // Without perf nothing tells how often a stack stands for a sample.
  [[nodiscard]] bool is_over() const override {
    return recorder_->is_over() || recorder_->is_given_up();
  }
  std::vector<std::string> take_problems() override { return recorder_->take_problems(); }
  std::vector<ContainerRef> take_new_containers() override {
    return recorder_->take_new_containers();
  }
  void tell_applications(const ApplicationSink& sink) override {
    recorder_->tell_applications(sink);
  }
  RuntimeHooks runtime_hooks() override {
    return {.tell_apart = [this](pid_t pid) { return recorder_->tell_apart(pid); },
            .add_own = [this](pid_t pid) { recorder_->add_own(pid); },
            .thread_name = [this](pid_t, pid_t tid) { return recorder_->thread_name(tid); }};
  }
  void watch_spawned() override { recorder_->watch_execs(); }
  std::vector<std::uint32_t> take_spawned() override { return recorder_->take_execs(); }
  // Not once perf has ended for good: another engine may find it.
  [[nodiscard]] bool can_cut() const override {
    return !recorder_->is_over() && !recorder_->is_given_up();
  }
  // perf is told what to sample when it starts.
  [[nodiscard]] bool can_change() const override { return false; }
  Result<SessionCut> cut(const SessionSettings* change) override;
  void hurry() override { recorder_->hurry(); }
  Result<> stop() override { return recorder_->stop(); }
  Result<EngineResult> finish() override { return result_of(TRY(recorder_->finish())); }

 private:
  std::shared_ptr<FallbackRecorder> recorder_;  // for a moment an end of a session owns it too
};

Result<SessionCut> FallbackEngine::cut(const SessionSettings* change) {
  if (change != nullptr) {
    return fail(Errc::unsupported, "perf cannot be told of another selection while it samples");
  }
  SessionCut cut;
  cut.end = [recorder = std::weak_ptr(recorder_),
             ended = recorder_->cut()]() mutable -> Result<EngineResult> {
    return result_of(TRY(FallbackRecorder::wait(recorder, std::move(ended))));
  };
  return cut;
}

// Before anything is started; perf_cgroups_of() says the rest.
Result<> check_filters(const RecordOptions& options) {
  const std::string_view filter = kernel_filter_of(options);
  const std::string_view beyond_perf = !options.comms.empty()              ? "--comm"
                                       : !options.excluded_cgroups.empty() ? "--cgroup-exclude"
                                       : options.ranks_cgroups             ? "--perf-use-cgroups"
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

}  // namespace

Result<std::unique_ptr<RecordEngine>> make_fallback_engine(const RecordOptions& options,
                                                           int frequency_hz) {
  TRY(check_filters(options));
  if (options.is_perf_disabled) {
    LOG_INFO("--perf-mode disabled: the stacks of runtimes alone");
    RecordingFacts facts;
    facts.engine = "fallback";
    facts.event = "none";
    facts.tools.emplace_back("perf", "disabled (--perf-mode)");
    facts.excluded.emplace_back(
        "all but what profilers of runtimes see, each by its own clock (--perf-mode disabled)");
    return make_idle_engine(std::move(facts));
  }
  Result<std::string> perf = locate_tool("perf", options.perf_path);
  if (!perf) {
    // Without it nothing here can sample: a feature that is missing, not a target.
    return fail(Errc::unsupported, perf.error().what);
  }
  const Result<std::string> version = read_tool_version(*perf);
  if (!version) {
    return fail(Errc::unsupported, fmt::format("{} {}", *perf, version.error().what));
  }
  LOG_INFO("sampling with perf {} ({})", *version, *perf);
  std::unique_ptr<FallbackRecorder> recorder = TRY(FallbackRecorder::prepare(
      {.perf = *std::move(perf),
       .frequency_hz = frequency_hz,
       .mode = options.perf_mode,
       .dwarf_stack_bytes = options.perf_dwarf_stack_bytes,
       .is_pid_filtered = !options.pids.empty() || !options.command.empty(),
       .follows_children = options.with_children || !options.command.empty(),
       .counts_threads = options.has_thread_frames}));
  return std::make_unique<FallbackEngine>(std::move(recorder));
}

}  // namespace waggle
