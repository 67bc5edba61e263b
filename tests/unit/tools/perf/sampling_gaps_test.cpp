// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/perf/sampling_gaps.h"

#include <gtest/gtest.h>

namespace waggle {
namespace {

using std::chrono::seconds;

SamplingGaps::Time at(int second) {
  return SamplingGaps::Time(seconds(second));
}

TEST(SamplingGaps, tells_each_part_what_was_in_it) {
  SamplingGaps gaps;
  gaps.add(at(1), at(2));
  gaps.add(at(4), at(8));
  EXPECT_EQ(gaps.take(at(5)), seconds(2));
  EXPECT_EQ(gaps.take(at(10)), seconds(3));
  EXPECT_EQ(gaps.take(at(20)), seconds(0));
  EXPECT_EQ(gaps.total(), seconds(5));
}

TEST(SamplingGaps, splits_one_that_lasts) {
  SamplingGaps gaps;
  gaps.begin(at(3));
  EXPECT_EQ(gaps.take(at(5)), seconds(2));
  gaps.end(at(6));
  EXPECT_EQ(gaps.take(at(10)), seconds(1));
  EXPECT_EQ(gaps.total(), seconds(3));
}

TEST(SamplingGaps, leaves_what_is_later_for_the_next_part) {
  SamplingGaps gaps;
  gaps.begin(at(7));
  EXPECT_EQ(gaps.take(at(5)), seconds(0));
  gaps.end(at(9));
  EXPECT_EQ(gaps.take(at(10)), seconds(2));
}

TEST(SamplingGaps, knows_of_none_that_was_forgotten) {
  SamplingGaps gaps;
  gaps.begin(at(3));
  gaps.forget();
  gaps.end(at(6));
  EXPECT_EQ(gaps.take(at(10)), seconds(0));
}

}  // namespace
}  // namespace waggle
