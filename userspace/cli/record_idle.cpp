// SPDX-License-Identifier: Apache-2.0
// The engine of recordings without a system's profiler: the stacks of runtimes are all there is.
#include <fmt/core.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "userspace/cli/record_engine.h"
#include "userspace/process/proc_fs.h"

namespace waggle {

namespace {

class IdleEngine final : public RecordEngine {
 public:
  explicit IdleEngine(RecordingFacts facts) : facts_(std::move(facts)) {}

  Result<> select_pid(pid_t pid) override {
    pids_.insert(pid);
    return {};
  }
  Result<> select(const Selection&) override { return {}; }  // the profilers keep to it
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
  std::vector<ContainerRef> take_new_containers() override { return {}; }
  RuntimeHooks runtime_hooks() override {
    return {.tell_apart =
                [this](pid_t pid) {
                  const std::string name = read_thread_name(pid, pid);
                  return name.empty() ? "[unknown]" : name;
                },
            .add_own = [](pid_t) {},
            .thread_name = [this](pid_t pid, pid_t tid) { return read_thread_name(pid, tid); }};
  }
  void watch_spawned() override { known_ = list_pids(); }
  // Nothing is heard of execs here: new pids are looked for, about once a second.
  std::vector<std::uint32_t> take_spawned() override {
    constexpr std::chrono::seconds kPause(1);
    if (Clock::now() - looked_ < kPause) {
      return {};
    }
    looked_ = Clock::now();
    std::set<std::uint32_t> now = list_pids();
    std::vector<std::uint32_t> fresh;
    std::ranges::set_difference(now, known_, std::back_inserter(fresh));
    known_ = std::move(now);
    return fresh;
  }
  [[nodiscard]] bool has_samples() const override { return false; }
  Result<> stop() override {
    end_ = Clock::now();
    return {};
  }
  Result<EngineResult> finish() override {
    facts_.duration_s = std::chrono::duration<double>(end_ - start_).count();
    return EngineResult{.profile = {}, .facts = std::move(facts_), .warnings = {}};
  }

 private:
  [[nodiscard]] std::string read_thread_name(pid_t pid, pid_t tid) const {
    return proc_.read_thread_name(static_cast<std::uint32_t>(pid), static_cast<std::uint32_t>(tid));
  }

  [[nodiscard]] std::set<std::uint32_t> list_pids() const {
    const auto pids = proc_.list_pids();
    return pids ? std::set<std::uint32_t>(pids->begin(), pids->end()) : std::set<std::uint32_t>();
  }

  using Clock = std::chrono::steady_clock;
  RecordingFacts facts_;
  ProcFs proc_;
  std::set<pid_t> pids_;
  std::set<std::uint32_t> known_;  // that were there at the last look
  Clock::time_point looked_;
  Clock::time_point start_;
  Clock::time_point end_;
};

}  // namespace

std::unique_ptr<RecordEngine> make_idle_engine(RecordingFacts facts) {
  return std::make_unique<IdleEngine>(std::move(facts));
}

}  // namespace waggle
