// SPDX-License-Identifier: Apache-2.0
// The engine of hosts without BTF or BPF.
#include <fmt/core.h>

#include <string_view>
#include <utility>

#include "base/log.h"
#include "userspace/cli/record_engine.h"
#include "userspace/fallback_recorder.h"
#include "userspace/tools/external_tools.h"

namespace waggle {

namespace {

class FallbackEngine final : public RecordEngine {
 public:
  explicit FallbackEngine(std::unique_ptr<FallbackRecorder> recorder)
      : recorder_(std::move(recorder)) {}

  Result<> select_pid(pid_t pid) override {
    recorder_->select_pid(pid);
    return {};
  }
  Result<> select(const Selection&) override {
    return fail(Errc::unsupported, "perf cannot select by cgroup or name");
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
  [[nodiscard]] bool is_over() const override { return recorder_->is_over(); }
  std::vector<std::string> take_problems() override;
  RuntimeHooks runtime_hooks() override {
    return {.tell_apart = [this](pid_t pid) { return recorder_->tell_apart(pid); },
            .add_own = [this](pid_t pid) { recorder_->add_own(pid); },
            .thread_name = [this](pid_t, pid_t tid) { return recorder_->thread_name(tid); }};
  }
  Result<> stop() override { return recorder_->stop(); }
  Result<EngineResult> finish() override;

 private:
  std::unique_ptr<FallbackRecorder> recorder_;
};

std::vector<std::string> FallbackEngine::take_problems() {
  if (auto problem = recorder_->take_problem()) {
    return {*std::move(problem)};
  }
  return {};
}

Result<EngineResult> FallbackEngine::finish() {
  FallbackRecording recording = TRY(recorder_->finish());
  RecordingFacts facts;
  facts.engine = "fallback";
  facts.event = recording.event;
  facts.duration_s = std::chrono::duration<double>(recording.duration).count();
  facts.samples = recording.samples;
  if (recording.lost != 0) {
    facts.lost.emplace_back("perf_lost", recording.lost);
  }
  facts.truncated = recording.truncated;
  facts.overhead.cpu_s = std::chrono::duration<double>(recording.perf_cpu_time).count();
  facts.tools.emplace_back("perf", recording.problem.empty() ? "ok" : recording.problem);
  return EngineResult{
      .profile = std::move(recording.profile), .facts = std::move(facts), .warnings = {}};
}

}  // namespace

Result<std::unique_ptr<RecordEngine>> make_fallback_engine(const RecordOptions& options,
                                                           int frequency_hz) {
  if (const std::string_view filter = kernel_filter_of(options); !filter.empty()) {
    // perf -G knows v2 and the hierarchy perf_event alone, and no exclusions.
    return fail(Errc::unsupported,
                fmt::format("{} needs the ebpf engine: perf cannot tell on every host (what is "
                            "missing here: waggle doctor; -p works with perf too)",
                            filter));
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
