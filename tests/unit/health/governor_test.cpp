// SPDX-License-Identifier: Apache-2.0
#include "userspace/health/governor.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <vector>

namespace waggle {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using Step = Governor::Step;

// A host on which everything costs what the test says, in % of one core.
class Host {
 public:
  Host(double budget, int frequency_hz, std::uint64_t memory_budget = 0)
      : governor({.cpu_percent = budget > 0 ? std::optional(budget) : std::nullopt,
                  .memory_bytes = memory_budget},
                 2, frequency_hz) {
    while (cost_.time.time_since_epoch() <= Governor::kStart) {
      second();  // the start, that costs nothing
    }
  }

  // One second; the step at its end.
  Governor::Decision second() {
    const double sampling = governor.is_paused() ? 0 : sampling_per_hz * governor.frequency_hz();
    const double one = governor.is_on(0) ? feature : feature_when_off;
    const double other = governor.is_on(1) ? second_feature : 0;
    const double tools = one + other;
    cost_.time += seconds(1);
    cost_.sampling += of(sampling);
    cost_.features.resize(2);
    cost_.features[0] += of(one);
    cost_.features[1] += of(other);
    cost_.background += of(background);
    cost_.total += of(sampling + tools + background + rest);
    cost_.memory_bytes = memory_bytes;
    percent = sampling + tools + background + rest;
    return governor.judge(cost_);
  }
  // The first step within so many seconds, and when; none: Step::none.
  Governor::Decision first_step(int most) {
    for (waited = 1; waited <= most; ++waited) {
      if (const auto decision = second(); decision.step != Step::none) {
        return decision;
      }
    }
    return {};
  }

  Governor governor;
  double sampling_per_hz = 0;
  double feature = 0;
  double feature_when_off = 0;  // its tools have not ended yet
  double second_feature = 0;
  double background = 0;
  double rest = 0;
  double percent = 0;  // of the last second
  std::uint64_t memory_bytes = 0;
  int waited = 0;

 private:
  static nanoseconds of(double percent) { return nanoseconds(std::llround(percent * 1e7)); }

  Cost cost_;
};

TEST(Governor, does_nothing_within_the_budget) {
  Host host(2, 999);
  host.sampling_per_hz = 1.9 / 999;
  EXPECT_EQ(host.first_step(600).step, Step::none);
  EXPECT_EQ(host.governor.frequency_hz(), 999);
}

TEST(Governor, without_a_budget_lets_everything_cost_what_it_does) {
  Host host(0, 999);
  host.sampling_per_hz = 1;
  EXPECT_EQ(host.first_step(600).step, Step::none);
}

TEST(Governor, lowers_what_sampling_costs_to_between_half_and_all_of_the_budget_in_20_s) {
  for (const double full : {2.5, 4.0, 6.4, 20.0, 300.0}) {
    Host host(2, 4999);
    host.sampling_per_hz = full / 4999;
    for (int i = 0; i < 20; ++i) {
      host.second();
    }
    EXPECT_LE(host.percent, 2.0) << full;
    EXPECT_GE(host.percent, 1.0) << full;
    EXPECT_EQ(host.first_step(300).step, Step::none) << full << ": it stays there";
  }
}

TEST(Governor, does_not_judge_what_the_start_costs) {
  Governor governor({.cpu_percent = 1, .memory_bytes = 0}, 0, 99);
  Cost cost;
  for (int i = 0; i < 5; ++i) {
    cost.time += seconds(1);
    cost.total += seconds(1);
    EXPECT_EQ(governor.judge(cost).step, Step::none);
  }
  for (int i = 0; i < 20; ++i) {
    cost.time += seconds(1);
    EXPECT_EQ(governor.judge(cost).step, Step::none);
  }
}

TEST(Governor, frequencies_are_steps_of_a_quarter) {
  Host host(1, 1000);
  host.sampling_per_hz = 1.2 / 1000;
  EXPECT_EQ(host.first_step(10).step, Step::lower);
  EXPECT_EQ(host.governor.frequency_hz(), 640);  // 1000 / 1.25^2
}

TEST(Governor, judges_by_five_seconds_not_by_one) {
  Host host(2, 99);
  host.sampling_per_hz = 1.0 / 99;
  for (int i = 0; i < 10; ++i) {
    host.second();
  }
  host.rest = 4;  // for one second: 0.8 % over five
  EXPECT_EQ(host.second().step, Step::none);
  host.rest = 0;
  EXPECT_EQ(host.first_step(60).step, Step::none);
}

TEST(Governor, lets_background_work_wait_in_place_of_lowering_the_frequency) {
  Host host(1, 99);
  host.sampling_per_hz = 0.5 / 99;
  host.background = 3;
  EXPECT_EQ(host.first_step(60).step, Step::none);
  // 0.9 of 1 % of a core, less the 0.5 % of sampling.
  EXPECT_NEAR(static_cast<double>(host.governor.background_a_second().count()), 4e6, 1e5);
}

TEST(Governor, leaves_background_work_a_tenth_whatever_the_rest_costs) {
  Host host(1, 1);
  host.sampling_per_hz = 5;
  host.second();
  for (int i = 0; i < 4; ++i) {
    host.second();
  }
  host.second();
  EXPECT_NEAR(static_cast<double>(host.governor.background_a_second().count()), 1e6, 1e4);
}

TEST(Governor, switches_off_a_feature_that_costs_too_much_and_keeps_the_frequency) {
  Host host(2, 99);
  host.sampling_per_hz = 0.5 / 99;
  host.feature = 3;
  const Governor::Decision decision = host.first_step(10);
  EXPECT_EQ(decision.step, Step::switch_off);
  EXPECT_EQ(decision.feature, 0U);
  EXPECT_NEAR(decision.shares.total, 3.5, 0.01);
  EXPECT_EQ(host.governor.frequency_hz(), 99);
  EXPECT_FALSE(host.governor.is_on(0));
  EXPECT_EQ(host.first_step(290).step, Step::none);
  EXPECT_EQ(host.first_step(60).step, Step::switch_on);
  EXPECT_EQ(host.first_step(10).step, Step::switch_off);
  EXPECT_EQ(host.first_step(590).step, Step::none) << "the second time for twice as long";
}

TEST(Governor, switches_off_the_next_feature_though_the_one_before_has_not_ended_yet) {
  Host host(2, 99);
  host.feature = host.feature_when_off = 5;
  host.second_feature = 3;
  EXPECT_EQ(host.first_step(10).step, Step::switch_off);
  const Governor::Decision next = host.first_step(10);
  EXPECT_EQ(next.step, Step::switch_off);
  EXPECT_EQ(next.feature, 1U);
}

TEST(Governor, pauses_when_nothing_is_left_and_for_longer_each_time) {
  Host host(1, 4);
  host.rest = 3;  // whatever it does
  std::vector<int> pauses;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(host.first_step(100).step, Step::pause);
    host.rest = 0;
    ASSERT_EQ(host.first_step(1000).step, Step::go_on);
    pauses.push_back(host.waited);
    host.rest = 3;
  }
  EXPECT_EQ(pauses, (std::vector{30, 60, 120}));
}

TEST(Governor, takes_back_slowly_what_it_gave_up) {
  Host host(2, 1000);
  host.sampling_per_hz = 8.0 / 1000;
  ASSERT_EQ(host.first_step(10).step, Step::lower);
  const int lowered = host.governor.frequency_hz();
  host.sampling_per_hz = 0.4 / 1000;  // the load has gone
  ASSERT_EQ(host.first_step(200).step, Step::raise);
  EXPECT_GE(host.waited, 30);
  EXPECT_NEAR(host.governor.frequency_hz(), lowered * 1.25, 1);
  int raises = 1;
  while (host.first_step(60).step == Step::raise) {
    ++raises;
  }
  EXPECT_EQ(host.governor.frequency_hz(), 1000);
  EXPECT_EQ(raises, 8);  // ln(8 / 1.6) / ln(1.25), upwards
}

TEST(Governor, does_not_raise_a_frequency_only_to_lower_it_again) {
  Host host(2, 1000);
  host.sampling_per_hz = 3.0 / 1000;
  ASSERT_EQ(host.first_step(10).step, Step::lower);
  EXPECT_EQ(host.first_step(3600).step, Step::none);
}

TEST(Governor, never_samples_less_than_once_a_second) {
  Host host(0.1, 11);
  host.sampling_per_hz = 1;
  ASSERT_EQ(host.first_step(10).step, Step::lower);
  EXPECT_EQ(host.governor.frequency_hz(), 1);
  EXPECT_EQ(host.first_step(10).step, Step::pause);
}

TEST(Governor, another_frequency_that_is_asked_for_is_lowered_as_the_old_one_was) {
  Host host(1, 1000);
  host.sampling_per_hz = 1.2 / 1000;
  ASSERT_EQ(host.first_step(10).step, Step::lower);
  host.governor.ask(100);
  EXPECT_EQ(host.governor.frequency_hz(), 64);
}

TEST(Governor, judges_a_seldom_feature_by_its_mean) {
  Host host(2, 99);
  host.second();
  EXPECT_EQ(host.governor.judge_seldom(0, 0.9).step, Step::none);
  EXPECT_EQ(host.governor.judge_seldom(0, 1.1).step, Step::switch_off);
  EXPECT_EQ(host.governor.judge_seldom(0, 1.1).step, Step::none) << "it is off";
}

TEST(Governor, lets_hearing_of_processes_take_a_part_of_the_budget) {
  const Host limited(1, 99);
  EXPECT_EQ(limited.governor.hearing_a_second(), nanoseconds(3'000'000));
  const Host unlimited(0, 99);
  EXPECT_EQ(unlimited.governor.hearing_a_second(), std::nullopt);
}

TEST(Governor, judges_memory_alone_where_no_other_step_can_be_taken) {
  constexpr std::uint64_t kBudget = 100 << 20;
  Governor governor({.cpu_percent = 1, .memory_bytes = kBudget}, 0, 99);
  Cost cost;
  for (int i = 0; i < 20; ++i) {
    cost.time += seconds(1);
    cost.total += seconds(1);
    EXPECT_EQ(governor.judge_memory_alone(cost).step, Step::none);
  }
  cost.memory_bytes = kBudget + 1;
  EXPECT_EQ(governor.judge_memory_alone(cost).step, Step::forget);
}

TEST(Governor, with_too_little_memory_forgets_first_and_pauses_then_until_there_is_enough) {
  constexpr std::uint64_t kBudget = 100 << 20;
  Host host(0, 99, kBudget);
  host.memory_bytes = kBudget;
  EXPECT_EQ(host.first_step(60).step, Step::none);
  host.memory_bytes = kBudget + 1;
  EXPECT_EQ(host.second().step, Step::forget);
  EXPECT_EQ(host.second().step, Step::memory_pause);
  EXPECT_TRUE(host.governor.is_paused());
  EXPECT_EQ(host.first_step(600).step, Step::none);
  host.memory_bytes = kBudget / 2;
  EXPECT_EQ(host.first_step(1).step, Step::go_on);
  EXPECT_FALSE(host.governor.is_paused());
}

}  // namespace
}  // namespace waggle
