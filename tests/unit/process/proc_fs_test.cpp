// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/proc_fs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/fake_proc.h"

namespace waggle {
namespace {

TEST(ProcStat, takes_the_name_up_to_the_last_parenthesis) {
  const auto stat =
      parse_stat("7 (a) b (\n) S 3 7 7 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 5 0 123456 0 0\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, "a) b (\n");
  EXPECT_EQ(stat->parent_pid, 3U);
  EXPECT_EQ(stat->thread_count, 5U);
  EXPECT_EQ(stat->start_ticks, 123456U);
  EXPECT_TRUE(stat->is_kernel_thread);
}

TEST(ProcStat, refuses_what_is_too_short_or_no_number) {
  for (const char* text : {"", "7", "7 (a", "7 (a)", "7 )a( S 3", "7 (a) S 3 7",
                           "7 (a) S x 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 5 0 1 0 0"}) {
    EXPECT_FALSE(parse_stat(text)) << text;
  }
}

TEST(ProcFs, reads_ourselves) {
  const ProcFs proc;
  const auto pid = static_cast<std::uint32_t>(::getpid());
  const auto stat = proc.read_stat(pid);
  ASSERT_TRUE(stat) << stat.error().what;
  EXPECT_EQ(stat->comm, "process_test");
  EXPECT_EQ(stat->parent_pid, static_cast<std::uint32_t>(::getppid()));
  EXPECT_FALSE(stat->is_kernel_thread);
  int mappings = 0;
  ASSERT_TRUE(proc.read_code(pid, [&](const MapsEntry&) { ++mappings; }));
  EXPECT_GT(mappings, 3);
  const auto pids = proc.list_pids();
  ASSERT_TRUE(pids);
  EXPECT_THAT(*pids, testing::Contains(pid));
}

TEST(ProcFs, a_missing_process_is_not_found) {
  const FakeProc fake;
  const auto stat = ProcFs(fake.path()).read_stat(5);
  ASSERT_FALSE(stat);
  EXPECT_EQ(stat.error().code, Errc::not_found);
}

}  // namespace
}  // namespace waggle
