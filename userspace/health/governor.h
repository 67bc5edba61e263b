// SPDX-License-Identifier: Apache-2.0
// What to give up when waggle costs more than it may, and when to take it back.  Pure: it is told
// what everything costs, and says what to do.  Not for measuring (own_cost.h), nor for doing
// (cli/engine_governor.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace waggle {

struct Budget {
  std::optional<double> cpu_percent;  // of one core; none: no limit
  std::uint64_t memory_bytes = 0;     // 0: no limit

  [[nodiscard]] bool is_limited() const { return cpu_percent.has_value() || memory_bytes != 0; }
};

// CPU time since waggle began, memory now.  What is in no part of `total` can be given up by a
// pause alone.
struct Cost {
  std::chrono::steady_clock::time_point time;
  std::chrono::nanoseconds total{};
  std::chrono::nanoseconds sampling{};               // falls with the frequency
  std::chrono::nanoseconds background{};             // waits for what others leave of the budget
  std::chrono::nanoseconds hearing{};                // of what processes do; is done less often
  std::vector<std::chrono::nanoseconds> features{};  // those that can be switched off
  std::uint64_t memory_bytes = 0;
};

class Governor {
 public:
  using Clock = std::chrono::steady_clock;

  enum class Step {
    none,
    lower,         // to frequency_hz()
    raise,         // likewise
    switch_off,    // Decision::feature
    switch_on,     // likewise
    pause,         // for a time, longer each time
    go_on,         // at frequency_hz()
    forget,        // what is in memory and can be read again
    memory_pause,  // until memory is free
  };
  // In % of one core, over the window.
  struct Shares {
    double total = 0;
    double sampling = 0;
    double background = 0;
    double hearing = 0;
    std::vector<double> features{};
    double all_features = 0;

    // What is in none of them.
    [[nodiscard]] double rest() const {
      return total - sampling - background - hearing - all_features;
    }
  };
  struct Decision {
    Step step = Step::none;
    Shares shares{};  // before the step
    std::size_t feature = 0;
  };

  // What its beginning costs (names of what runs) is no reason to give something up.
  static constexpr std::chrono::seconds kStart{5};
  // The costs are means over so long, and so is the time between two steps.
  static constexpr std::chrono::seconds kWindow{5};
  // Below the budget for so long, and something is taken back: the last that was given up.
  static constexpr std::chrono::seconds kCalm{30};
  static constexpr std::chrono::seconds kPause{30};  // the first; each next is twice as long
  static constexpr std::chrono::seconds kMaxPause{480};
  static constexpr std::chrono::minutes kFeatureOff{5};  // likewise

  // `frequency_hz`: as asked, the most that there will be.
  Governor(Budget budget, std::size_t feature_count, int frequency_hz);

  // About once a second.
  Decision judge(Cost cost);
  // In its place while no step can be taken that CPU time asks for.
  Decision judge_memory_alone(const Cost& cost);
  // Of a feature that costs something now and then, and counts as background work: `percent` of a
  // core, on average.
  Decision judge_seldom(std::size_t feature, double percent);
  // What was measured so far says nothing of what is measured from now on.
  void forget_window() { looks_.clear(); }
  // Another frequency is asked for: what was given up of the old one is given up of the new one.
  void ask(int frequency_hz);

  [[nodiscard]] int frequency_hz() const;
  [[nodiscard]] bool is_paused() const { return is_paused_; }
  [[nodiscard]] bool is_on(std::size_t feature) const { return !features_.at(feature).is_off; }
  [[nodiscard]] std::size_t off_count() const;
  // That background work may take a second, by what the rest cost lately.
  [[nodiscard]] std::chrono::nanoseconds background_a_second() const { return background_; }
  // That hearing of processes may take, before it is done less often.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> hearing_a_second() const;
  // What was measured last, in % of one core.
  [[nodiscard]] double percent() const { return percent_; }
  [[nodiscard]] const Budget& budget() const { return budget_; }

 private:
  struct Feature {
    bool is_off = false;
    Clock::time_point off_until;
    std::chrono::seconds next_off = kFeatureOff;
  };

  [[nodiscard]] bool is_whole_window(const Cost& cost) const;
  [[nodiscard]] Shares shares_until(const Cost& cost) const;
  Step judge_memory(const Cost& cost);
  Step judge_pause(const Cost& cost);
  Step judge_cpu(const Shares& shares, Decision& decision);
  Step give_up(const Shares& shares, Decision& decision);
  [[nodiscard]] std::optional<std::size_t> costliest_that_is_on(const Shares& shares) const;
  Step switch_off(std::size_t feature, Decision& decision);
  Step take_back(const Shares& shares, Decision& decision);
  [[nodiscard]] int steps_down(double sampling, double room) const;
  [[nodiscard]] int frequency_at(int steps) const;
  void pace(const Shares& shares);
  void begin_window(Cost cost);

  Budget budget_;
  int asked_hz_;
  int steps_ = 0;  // down from asked_hz_
  std::vector<Feature> features_;
  bool is_paused_ = false;
  bool is_paused_for_memory_ = false;
  bool has_forgotten_ = false;  // since memory was last below the budget
  Clock::time_point paused_until_;
  std::chrono::seconds pause_ = kPause;
  std::deque<Cost> looks_;  // of the window
  std::optional<Clock::time_point> begun_;
  std::optional<Clock::time_point> calm_since_;
  Clock::time_point now_;
  std::chrono::nanoseconds background_{};
  double percent_ = 0;
};

}  // namespace waggle
