// SPDX-License-Identifier: Apache-2.0
// One session after the other, back to back: where the engine can, one recording that is cut, else
// a recording for each.  Not for when one ends, nor for signals: agent.cpp.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "userspace/cli/agent_options.h"
#include "userspace/cli/application_telling.h"
#include "userspace/cli/container_naming.h"
#include "userspace/cli/engine_governor.h"
#include "userspace/cli/engine_start.h"
#include "userspace/cli/engine_watch.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_metadata.h"
#include "userspace/cli/recording_report.h"
#include "userspace/cli/session_end.h"
#include "userspace/cli/session_selection.h"
#include "userspace/cli/session_writer.h"
#include "userspace/cli/told_once.h"
#include "userspace/metadata/system_metrics.h"

namespace waggle {

// One thread, the loop's; files are written by another.
class AgentSessions {
 public:
  // `loop` and `counters` outlive it.
  // `is_ending`: no session begins any more; a tool can take seconds to start.
  AgentSessions(const AgentOptions& options, EventLoop& loop, SessionCounters& counters,
                std::function<bool()> is_ending);
  AgentSessions(const AgentSessions&) = delete;
  AgentSessions& operator=(const AgentSessions&) = delete;
  ~AgentSessions() = default;

  // The first session.
  Result<> start();
  // Ends the session, begins the next.  What fails is logged, and tried again the next time.
  void turn();
  // From the next session on: who is sampled, and how often.
  void change(const AgentOptions& options);
  // Ends the last one; its files may still be on their way: finish_files().  An error: it is lost.
  // tool_time: for tools of the engine to end.
  Result<> stop(std::chrono::milliseconds tool_time);
  // Waits for them; after `patience`, for what can be had at once.
  void finish_files(std::chrono::milliseconds patience);

  // Whether samples are taken.
  [[nodiscard]] bool is_sampling() const { return engine_ != nullptr && !governor_.is_paused(); }
  // "sampling at 99 Hz".
  [[nodiscard]] std::string state_text() const;
  [[nodiscard]] std::size_t waiting_files() const { return writer_.waiting(); }
  [[nodiscard]] int frequency_hz() const { return governor_.frequency_hz(); }
  [[nodiscard]] const EngineGovernor& governor() const { return governor_; }
  [[nodiscard]] EngineFigures figures() const {
    return engine_ ? engine_->figures() : EngineFigures{};
  }
  [[nodiscard]] std::string_view engine_reason() const { return engine_reason_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Moment {
    std::chrono::system_clock::time_point wall = std::chrono::system_clock::now();
    Clock::time_point steady = Clock::now();
    double cpu_s = own_cpu_seconds();
  };

  Result<> begin_recording();
  Result<> begin_session();
  using Change = Result<std::optional<SessionSettings>>;
  Change find_change();
  void adopt(Change change);
  void look_for_next();
  Result<> cut(Change& change);
  void restart(Change change);
  [[nodiscard]] bool needs_another_engine(const Change& change) const;
  void note_begin(const Moment& now);
  void write(SessionEnd end, const EngineGovernor::Rate& rate, const Moment& now);
  [[nodiscard]] std::vector<std::string> excluded() const;
  SessionEnd end_of_engine();
  void on_tick();
  void housekeep();
  void tell_problems();
  void watch();
  void on_readable();
  void fail_session(const Error& error);

  AgentOptions options_;
  std::optional<AgentOptions> next_options_;
  SessionSettings settings_;  // of the session
  SessionCounters& counters_;
  std::function<bool()> is_ending_;
  std::string engine_reason_;
  std::vector<std::string> left_out_;  // by limits, with the engine
  EngineSequence sequence_;            // of all sessions
  ApplicationTelling applications_;    // outlives the engines
  EngineGovernor governor_;
  std::unique_ptr<RecordEngine> engine_;  // nullptr: it failed, the next turn makes another
  std::weak_ptr<RecordEngine> ending_;    // the last one, on its way to a file
  EngineWatch watch_;                     // before the engine goes, its descriptors do
  Moment begin_;
  Clock::time_point next_cut_;  // by the clock, as the caller's timer
  Clock::time_point next_housekeeping_;
  std::string last_problem_;
  ToldOnce told_;
  SessionSelection selection_;
  bool is_failing_ = false;  // told once
  SystemMetrics metrics_;    // of the session
  RecordMetadata metadata_;  // the writer's thread alone, once a session is on
  ContainerNaming containers_;
  std::stop_source hurry_;  // what ends a session waits for nothing any more
  SessionWriter writer_;    // last: its jobs end first
};

}  // namespace waggle
