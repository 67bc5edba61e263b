// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/system_metrics.h"

#include <gtest/gtest.h>

#include <string>

#include "base/file.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

TEST(CpuTimes, count_neither_idle_nor_waiting_nor_guests_twice) {
  const auto times = parse_cpu_times("cpu  10 20 30 400 500 1 2 3 9 9\ncpu0 1 2 3\n");
  ASSERT_TRUE(times);
  EXPECT_EQ(times->busy, 66U);
  EXPECT_EQ(times->total, 966U);
}

TEST(CpuTimes, are_nothing_for_another_text) {
  for (const auto* const text : {"", "cpu0 1 2 3 4 5", "cpu  1 2 3", "cpu  1 2 3 x 5 6 7 8"}) {
    EXPECT_FALSE(parse_cpu_times(text)) << text;
  }
}

TEST(MemoryUsed, is_what_is_not_available) {
  const auto used = parse_memory_used("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  250 kB\n");
  ASSERT_TRUE(used);
  EXPECT_DOUBLE_EQ(*used, 75);
  EXPECT_FALSE(parse_memory_used("MemTotal: 1000 kB\n"));
  EXPECT_FALSE(parse_memory_used("MemTotal: 0 kB\nMemAvailable: 0 kB\n"));
  EXPECT_FALSE(parse_memory_used("MemTotal: 1 kB\nMemAvailable: 2 kB\n"));
}

TEST(SystemMetrics, are_of_the_time_since_the_beginning) {
  const TempDir dir;
  SystemMetrics metrics(dir.path());
  EXPECT_FALSE(metrics.cpu_average());
  EXPECT_FALSE(metrics.memory_average());
  ASSERT_TRUE(write_file_atomically(dir.path() + "/stat", "cpu  100 0 0 100 0 0 0 0\n"));
  ASSERT_TRUE(
      write_file_atomically(dir.path() + "/meminfo", "MemTotal: 100 kB\nMemAvailable: 40 kB\n"));
  metrics.begin();
  EXPECT_FALSE(metrics.cpu_average()) << "no time has passed";
  ASSERT_TRUE(write_file_atomically(dir.path() + "/stat", "cpu  175 0 0 125 0 0 0 0\n"));
  ASSERT_TRUE(metrics.cpu_average());
  EXPECT_DOUBLE_EQ(*metrics.cpu_average(), 75);
  ASSERT_TRUE(metrics.memory_average());
  EXPECT_DOUBLE_EQ(*metrics.memory_average(), 60);
}

}  // namespace
}  // namespace waggle
