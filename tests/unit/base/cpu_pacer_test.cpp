// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_pacer.h"

#include <gtest/gtest.h>

#include <chrono>

namespace waggle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const CpuPacer::Clock::time_point kStart = CpuPacer::Clock::now() + seconds(1);

TEST(CpuPacer, without_a_limit_lets_all_work_begin_and_counts_it) {
  CpuPacer pacer;
  pacer.charge(seconds(5));
  EXPECT_TRUE(pacer.may_begin(kStart));
  EXPECT_EQ(pacer.used(), seconds(5));
}

TEST(CpuPacer, work_that_took_more_than_was_left_is_waited_for) {
  CpuPacer pacer;
  pacer.limit(milliseconds(10), kStart);
  EXPECT_TRUE(pacer.may_begin(kStart + seconds(1)));
  pacer.charge(milliseconds(100));  // of 10: the next 9 seconds are gone
  EXPECT_FALSE(pacer.may_begin(kStart + milliseconds(9'900)));
  EXPECT_TRUE(pacer.may_begin(kStart + milliseconds(10'100)));
}

TEST(CpuPacer, keeps_what_was_not_used_for_five_seconds) {
  CpuPacer pacer;
  pacer.limit(milliseconds(10), kStart);
  EXPECT_TRUE(pacer.may_begin(kStart + seconds(100)));
  pacer.charge(milliseconds(49));
  EXPECT_TRUE(pacer.may_begin(kStart + seconds(100)));
  pacer.charge(milliseconds(1));
  EXPECT_FALSE(pacer.may_begin(kStart + seconds(100)));
}

TEST(CpuPacer, gives_a_credit_once_and_does_not_let_it_grow) {
  CpuPacer pacer;
  pacer.limit(milliseconds(10), kStart, milliseconds(500));
  EXPECT_TRUE(pacer.may_begin(kStart + seconds(100)));
  pacer.charge(milliseconds(500));
  EXPECT_FALSE(pacer.may_begin(kStart + seconds(100)));
  EXPECT_TRUE(pacer.may_begin(kStart + seconds(101)));
}

TEST(CpuPacer, a_limit_that_is_lifted_lets_what_waits_begin) {
  CpuPacer pacer;
  pacer.limit(milliseconds(1), kStart);
  pacer.charge(seconds(1));
  EXPECT_FALSE(pacer.may_begin(kStart + seconds(1)));
  pacer.limit(std::nullopt, kStart + seconds(1));
  EXPECT_TRUE(pacer.may_begin(kStart + seconds(1)));
}

TEST(CpuPacer, charges_the_cpu_time_of_the_thread_that_works) {
  CpuPacer pacer;
  const std::chrono::nanoseconds begin = thread_cpu_time();
  {
    const PacedWork work(&pacer);
    volatile int sum = 0;
    while (thread_cpu_time() - begin < milliseconds(20)) {
      sum = sum + 1;
    }
  }
  EXPECT_GE(pacer.used(), milliseconds(19));
  EXPECT_LE(pacer.used(), thread_cpu_time() - begin);
}

}  // namespace
}  // namespace waggle
