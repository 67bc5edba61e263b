// SPDX-License-Identifier: Apache-2.0
// The engine of hosts without BTF or BPF.
#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "userspace/cli/perf_cgroups.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_py_spy.h"
#include "userspace/fallback_recorder.h"
#include "userspace/tools/external_tools.h"

namespace waggle {

namespace {

class FallbackEngine final : public RecordEngine {
 public:
  FallbackEngine(std::unique_ptr<FallbackRecorder> recorder, std::unique_ptr<PySpySession> py_spy)
      : recorder_(std::move(recorder)), py_spy_(std::move(py_spy)) {}

  Result<> select_pid(pid_t pid) override {
    recorder_->select_pid(pid);
    if (py_spy_) {
      py_spy_->select_pid(pid);
    }
    return {};
  }
  Result<> select(const Selection& selection) override {
    recorder_->select_cgroups(TRY(perf_cgroups_of(selection)));
    return {};
  }
  Result<> start() override;
  [[nodiscard]] std::vector<int> fds() const override;
  Result<> on_readable() override;
  [[nodiscard]] std::chrono::milliseconds tick_interval() const override {
    return std::chrono::milliseconds(100);
  }
  Result<> tick() override;
  Result<> housekeep() override { return recorder_->housekeep(); }
  [[nodiscard]] std::uint64_t sample_count() const override { return recorder_->samples(); }
  // What looks at a language goes on without perf.
  [[nodiscard]] bool is_over() const override {
    return recorder_->is_over() || (recorder_->is_given_up() && !py_spy_);
  }
  std::vector<std::string> take_problems() override;
  Result<> stop() override;
  Result<EngineResult> finish() override;

 private:
  std::unique_ptr<FallbackRecorder> recorder_;
  std::unique_ptr<PySpySession> py_spy_;  // calls the recorder; nullptr: Python stays native
};

Result<> FallbackEngine::start() {
  TRY(recorder_->start());
  if (py_spy_) {
    py_spy_->start();
  }
  return {};
}

std::vector<int> FallbackEngine::fds() const {
  std::vector<int> fds = {recorder_->fd()};
  if (py_spy_) {
    fds.push_back(py_spy_->fd());
  }
  return fds;
}

Result<> FallbackEngine::on_readable() {
  TRY(recorder_->on_readable());
  return py_spy_ ? py_spy_->on_readable() : Result<>();
}

Result<> FallbackEngine::tick() {
  if (py_spy_) {
    py_spy_->tick();
  }
  return recorder_->tick();
}

std::vector<std::string> FallbackEngine::take_problems() {
  std::vector<std::string> problems;
  if (py_spy_) {
    problems = py_spy_->take_problems();
  }
  std::ranges::move(recorder_->take_problems(), std::back_inserter(problems));
  return problems;
}

// All tools end at the same time.
Result<> FallbackEngine::stop() {
  if (py_spy_) {
    py_spy_->interrupt();
  }
  return recorder_->stop();
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
  facts.paused_s = std::chrono::duration<double>(recording.paused).count();
  facts.tools = std::move(recording.tools);
  facts.excluded = std::move(recording.excluded);
  EngineResult result{
      .profile = std::move(recording.profile), .facts = std::move(facts), .warnings = {}};
  if (py_spy_) {
    TRY(merge_py_spy(*py_spy_, result));
  }
  return result;
}

PySpyTargets py_spy_targets(PythonMode mode) {
  switch (mode) {
    case PythonMode::automatic:
    case PythonMode::py_spy:
      return PySpyTargets::all;
    case PythonMode::ebpf:
      LOG_WARNING("--python-mode ebpf: there is no BPF here, continuing with native frames");
      return PySpyTargets::none;
    case PythonMode::disabled:
      break;
  }
  return PySpyTargets::none;
}

// Before anything is started; perf_cgroups_of() says the rest.
Result<> check_filters(const RecordOptions& options) {
  const std::string_view filter = kernel_filter_of(options);
  if (!options.comms.empty() || !options.excluded_cgroups.empty()) {
    return fail(Errc::unsupported,
                fmt::format("{} needs the ebpf engine: perf cannot tell (what is missing here: "
                            "waggle doctor; --cgroup and -p work with perf too)",
                            options.comms.empty() ? "--cgroup-exclude" : "--comm"));
  }
  if (!filter.empty() && options.with_children) {
    return fail(
        Errc::unsupported,
        fmt::format("{} with --children needs the ebpf engine: perf cannot tell both", filter));
  }
  if (!filter.empty() && options.python_mode == PythonMode::automatic) {
    LOG_INFO("{}: py-spy is not started beside it, Python shows native frames", filter);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<RecordEngine>> make_fallback_engine(const RecordOptions& options,
                                                           int frequency_hz) {
  TRY(check_filters(options));
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
  FallbackRecorder& hooked = *recorder;
  std::unique_ptr<PySpySession> py_spy = TRY(make_py_spy_session(
      options, frequency_hz,
      kernel_filter_of(options).empty() ? py_spy_targets(options.python_mode) : PySpyTargets::none,
      {.tell_apart = [&hooked](pid_t pid) { return hooked.tell_apart(pid); },
       .add_own = [&hooked](pid_t pid) { hooked.add_own(pid); },
       .thread_name = [&hooked](pid_t, pid_t tid) { return hooked.thread_name(tid); }}));
  return std::make_unique<FallbackEngine>(std::move(recorder), std::move(py_spy));
}

}  // namespace waggle
