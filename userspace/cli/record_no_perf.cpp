// SPDX-License-Identifier: Apache-2.0
// The engine of `--perf-mode disabled`: it samples nothing, so that the stacks of runtimes are all
// there is.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "userspace/cli/record_engine.h"
#include "userspace/process/proc_fs.h"

namespace waggle {

namespace {

class NoPerfEngine final : public RecordEngine {
 public:
  Result<> select_pid(pid_t pid) override {
    pids_.insert(pid);
    return {};
  }
  Result<> select(const Selection&) override {
    return fail(Errc::unsupported, "nothing here can select by cgroup or name");
  }
  Result<> start() override {
    start_ = Clock::now();
    return {};
  }
  [[nodiscard]] std::vector<int> fds() const override { return {}; }
  Result<> on_readable() override { return {}; }
  [[nodiscard]] std::chrono::milliseconds tick_interval() const override {
    return std::chrono::milliseconds(100);
  }
  Result<> tick() override { return {}; }
  Result<> housekeep() override { return {}; }
  [[nodiscard]] std::uint64_t sample_count() const override { return 0; }
  [[nodiscard]] bool is_over() const override {
    return !pids_.empty() && std::ranges::none_of(pids_, [this](pid_t pid) {
      const auto stat = proc_.read_stat(static_cast<std::uint32_t>(pid));
      return stat && stat->state != 'Z';
    });
  }
  std::vector<std::string> take_problems() override { return {}; }
  RuntimeHooks runtime_hooks() override {
    return {.tell_apart =
                [this](pid_t pid) {
                  const auto stat = proc_.read_stat(static_cast<std::uint32_t>(pid));
                  return stat ? stat->comm : std::string("[unknown]");
                },
            .add_own = [](pid_t) {},
            .thread_name = [](pid_t, pid_t) { return std::string(); }};
  }
  [[nodiscard]] bool has_samples() const override { return false; }
  Result<> stop() override {
    end_ = Clock::now();
    return {};
  }
  Result<EngineResult> finish() override {
    RecordingFacts facts;
    facts.engine = "fallback";
    facts.event = "none";
    facts.duration_s = std::chrono::duration<double>(end_ - start_).count();
    facts.tools.emplace_back("perf", "disabled (--perf-mode)");
    facts.excluded.emplace_back(
        "all but what profilers of runtimes see, each by its own clock (--perf-mode disabled)");
    return EngineResult{.profile = {}, .facts = std::move(facts), .warnings = {}};
  }

 private:
  using Clock = std::chrono::steady_clock;
  ProcFs proc_;
  std::set<pid_t> pids_;
  Clock::time_point start_;
  Clock::time_point end_;
};

}  // namespace

std::unique_ptr<RecordEngine> make_no_perf_engine() {
  return std::make_unique<NoPerfEngine>();
}

}  // namespace waggle
