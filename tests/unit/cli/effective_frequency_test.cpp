// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/effective_frequency.h"

#include <gtest/gtest.h>

namespace waggle {
namespace {

TEST(EffectiveFrequency, is_the_one_frequency_that_there_was) {
  EffectiveFrequency frequency;
  frequency.begin(11, 0);
  EXPECT_EQ(frequency.take(1'234'567), 11);
  EXPECT_EQ(frequency.take(1'234'567), 11) << "a session without samples";
}

TEST(EffectiveFrequency, of_two_makes_the_samples_stand_for_their_cpu_seconds) {
  EffectiveFrequency frequency;
  frequency.begin(1000, 500);
  frequency.change(100, 500 + 2000);  // 2 s of one busy CPU
  // 30 s of it: 3,000 samples.
  const double effective = frequency.take(500 + 2000 + 3000);
  EXPECT_NEAR(5000 / effective, 32, 1e-9);
}

TEST(EffectiveFrequency, begins_anew_with_each_session) {
  EffectiveFrequency frequency;
  frequency.begin(1000, 0);
  frequency.change(100, 2000);
  (void)frequency.take(5000);
  EXPECT_EQ(frequency.take(6000), 100);
}

TEST(EffectiveFrequency, of_another_engine_counts_from_its_first_sample) {
  EffectiveFrequency frequency;
  frequency.begin(1000, 0);
  (void)frequency.take(5000);
  frequency.begin(100, 0);
  frequency.change(50, 100);
  EXPECT_NEAR(200 / frequency.take(200), 3, 1e-9);
}

}  // namespace
}  // namespace waggle
