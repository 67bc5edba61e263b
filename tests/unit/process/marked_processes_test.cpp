// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/marked_processes.h"

#include <gtest/gtest.h>

#include "tests/fake_proc.h"

namespace waggle {
namespace {

constexpr std::uint64_t kMinute = 60'000'000'000;

FakeProc::Entry process(std::uint32_t pid, std::uint64_t start_ticks) {
  return {.pid = pid, .comm = "x", .start_ticks = start_ticks, .maps = ""};
}

TEST(MarkedProcesses, has_one_for_as_long_as_it_lives) {
  FakeProc proc;
  proc.put(process(7, 100));
  MarkedProcesses marked((ProcFs(proc.path())));
  EXPECT_FALSE(marked.contains(7, kMinute));
  marked.add(7);
  marked.prune(100 * kMinute);
  EXPECT_TRUE(marked.contains(7, 100 * kMinute));
  EXPECT_FALSE(marked.contains(8, kMinute));
}

TEST(MarkedProcesses, keeps_one_that_has_ended_for_samples_of_before) {
  FakeProc proc;
  proc.put(process(7, 100));
  MarkedProcesses marked((ProcFs(proc.path())));
  marked.add(7);
  proc.remove(7);
  marked.prune(2 * kMinute);
  EXPECT_TRUE(marked.contains(7, kMinute));
  EXPECT_FALSE(marked.contains(7, 3 * kMinute));
  marked.prune(3 * kMinute);
  EXPECT_TRUE(marked.contains(7, kMinute));
  marked.prune(30 * kMinute);
  EXPECT_FALSE(marked.contains(7, kMinute));
}

TEST(MarkedProcesses, does_not_take_another_for_one_whose_pid_it_has) {
  FakeProc proc;
  proc.put(process(7, 100));
  MarkedProcesses marked((ProcFs(proc.path())));
  marked.add(7);
  proc.put(process(7, 200));
  marked.prune(2 * kMinute);
  EXPECT_FALSE(marked.contains(7, 3 * kMinute));
}

TEST(MarkedProcesses, has_one_that_was_gone_when_it_was_added_until_the_next_look) {
  const FakeProc proc;
  MarkedProcesses marked((ProcFs(proc.path())));
  marked.add(7);
  EXPECT_TRUE(marked.contains(7, kMinute));
  marked.prune(2 * kMinute);
  EXPECT_FALSE(marked.contains(7, 3 * kMinute));
}

}  // namespace
}  // namespace waggle
