// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/start_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace waggle {
namespace {

using ::testing::ElementsAre;

constexpr std::uint64_t kMs = 1'000'000;

process_thread thread_of(std::uint32_t tgid, std::uint64_t cpu_ms) {
  return {.process = {.tgid = tgid, .exec_id = 1, .start_boottime_ns = tgid},
          .cpu_ns = cpu_ms * kMs};
}

std::vector<std::uint32_t> pids_of(const std::vector<StartCandidate>& candidates) {
  std::vector<std::uint32_t> pids;
  std::ranges::transform(candidates, std::back_inserter(pids),
                         [](const StartCandidate& candidate) { return candidate.process.tgid; });
  return pids;
}

bool is_any(std::uint32_t /*tgid*/) {
  return true;
}

TEST(StartOrder, has_what_runs_now_before_what_ran_long) {
  const std::vector before{thread_of(1, 90'000), thread_of(2, 5), thread_of(3, 70)};
  const std::vector now{thread_of(1, 90'000), thread_of(2, 15), thread_of(3, 90)};
  const auto ordered = order_for_start(before, now, is_any);
  EXPECT_THAT(pids_of(ordered), ElementsAre(3, 2, 1));
  EXPECT_TRUE(ordered[1].is_running());
  EXPECT_FALSE(ordered[2].is_running());
}

TEST(StartOrder, adds_up_the_threads_of_a_process) {
  const std::vector before{thread_of(1, 10), thread_of(2, 10), thread_of(2, 10)};
  const std::vector now{thread_of(1, 13), thread_of(2, 12), thread_of(2, 12)};
  const auto ordered = order_for_start(before, now, is_any);
  ASSERT_THAT(pids_of(ordered), ElementsAre(2, 1));
  EXPECT_EQ(ordered[0].recent_ns, 4 * kMs);
  EXPECT_EQ(ordered[0].cpu_ns, 24 * kMs);
}

TEST(StartOrder, takes_a_new_process_for_running) {
  const auto ordered = order_for_start({}, std::vector{thread_of(7, 1)}, is_any);
  ASSERT_EQ(ordered.size(), 1U);
  EXPECT_TRUE(ordered.front().is_running());
}

TEST(StartOrder, takes_a_process_whose_threads_ended_for_idle) {
  const std::vector before{thread_of(1, 10), thread_of(1, 50)};
  const auto ordered = order_for_start(before, std::vector{thread_of(1, 20)}, is_any);
  ASSERT_EQ(ordered.size(), 1U);
  EXPECT_FALSE(ordered.front().is_running());
}

TEST(StartOrder, leaves_out_what_is_not_selected) {
  const std::vector now{thread_of(1, 10), thread_of(2, 20)};
  const auto ordered = order_for_start({}, now, [](std::uint32_t tgid) { return tgid == 1; });
  EXPECT_THAT(pids_of(ordered), ElementsAre(1));
}

}  // namespace
}  // namespace waggle
