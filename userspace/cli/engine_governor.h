// SPDX-License-Identifier: Apache-2.0
// Keeps an engine within --cpu-budget and --memory-budget: measures what waggle costs, and does to
// the engine what the governor says.  Not for the rules: health/governor.h.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/cli/application_telling.h"
#include "userspace/cli/effective_frequency.h"
#include "userspace/cli/record_engine.h"
#include "userspace/health/governor.h"

namespace waggle {

// Of the engines that follow one another.  One thread, the loop's, but for add_page_time().
class EngineGovernor {
 public:
  struct Counters {
    std::uint64_t lowered = 0;
    std::uint64_t raised = 0;
    std::uint64_t switched_off = 0;
    std::uint64_t switched_on = 0;
    std::uint64_t pauses = 0;
    std::uint64_t forgotten = 0;  // what was in memory and could be read again
  };
  // Of a session, for its header.
  struct Rate {
    double frequency = 0;  // effective
    double paused_s = 0;
  };

  // Without limits it only tells rates.  `has_sessions`: a step that cannot be taken while the
  // engine runs is taken with the next one.  `applications` outlives it.
  EngineGovernor(const Budget& budget, int frequency_hz, bool has_sessions,
                 ApplicationTelling& applications);

  // What was decided needs another engine.
  [[nodiscard]] bool waits_for_next() const { return waits_for_next_; }
  // That the next engine is to begin with.
  [[nodiscard]] int frequency_hz() const { return governor_.frequency_hz(); }
  // The engine samples from now on, at frequency_hz().
  void begin(RecordEngine& engine);
  // Another frequency is asked for, of the next engine, or of one that samples at it already.
  void ask(int frequency_hz) { governor_.ask(frequency_hz); }
  void ask(int frequency_hz, RecordEngine& engine);
  // About once a second.  `command`: a child that is recorded, and no tool of ours.
  void housekeep(RecordEngine& engine, std::optional<pid_t> command = std::nullopt);
  // At a cut, or at the end.
  Rate take_rate(const RecordEngine& engine);
  // What could wait waits no longer.
  static void hurry(RecordEngine& engine) { engine.pace({}); }

  // On any thread: CPU time for the page of a session of that duration.
  void add_page_time(std::chrono::nanoseconds page, std::chrono::nanoseconds session);
  // On any thread: CPU time for the files of a session, the page's with it.  Without that it falls
  // with the frequency.
  void add_writing_time(std::chrono::nanoseconds writing);
  [[nodiscard]] bool has_pages() const { return governor_.is_on(kPage); }
  // What the session goes without, for its header.
  [[nodiscard]] std::vector<std::string> left_out() const;

  [[nodiscard]] bool is_paused() const { return paused_since_.has_value(); }
  [[nodiscard]] const Governor& governor() const { return governor_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum Feature : std::size_t { kRuntimes, kPage, kApplications, kFeatureCount };

  [[nodiscard]] Cost measure(RecordEngine& engine, std::optional<pid_t> command) const;
  void take_step(const Governor::Decision& decision, RecordEngine& engine);
  void change_frequency(const Governor::Decision& decision, RecordEngine& engine);
  bool set_frequency(const std::string& reason, RecordEngine& engine);
  void switch_feature(const Governor::Decision& decision, RecordEngine& engine);
  void pause(const Governor::Decision& decision, RecordEngine& engine);
  void pace(RecordEngine& engine, std::chrono::nanoseconds credit = {});

  Governor governor_;
  bool has_sessions_;
  ApplicationTelling& applications_;
  bool has_credit_ = true;       // files of what runs are read at the start
  bool waits_for_next_ = false;  // a step that this engine cannot take
  EffectiveFrequency effective_;
  int applied_hz_ = 0;
  std::optional<Clock::time_point> paused_since_;
  std::chrono::nanoseconds paused_{};
  std::atomic<std::chrono::nanoseconds> page_time_{};
  std::atomic<std::chrono::nanoseconds> writing_time_{};
  std::atomic<double> page_share_ = 0;  // of the last session, in % of a core; 0: judged
  Counters counters_;
};

}  // namespace waggle
