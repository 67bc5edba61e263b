// SPDX-License-Identifier: Apache-2.0
// One recording cut into sessions on the real kernel: nothing falls between two of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/abi/stats.h"
#include "tests/recorder_run.h"
#include "tests/test_program.h"
#include "userspace/recorder.h"
#include "userspace/samplers/cpu_stats_sums.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;

constexpr int kFrequency = 999;

std::uint64_t lost_of(const Recording& recording) {
  std::uint64_t sum = recording.unnamed;
#define ADD_total(name)
#define ADD_skipped(name)
#define ADD_truncated(name)
#define ADD_note(name)
#define ADD_lost(name) sum += recording.stats.name;
#define X(kind, name, text) ADD_##kind(name)
  WAGGLE_STATS(X)
#undef X
#undef ADD_total
#undef ADD_skipped
#undef ADD_truncated
#undef ADD_note
#undef ADD_lost
  return sum;
}

std::uint64_t samples_with(const Profile& profile, std::string_view comm, std::string_view frame) {
  std::uint64_t sum = 0;
  for (const SampledStack& stack : stacks_of(profile, comm)) {
    sum += std::ranges::find(stack.frames, frame) != stack.frames.end() ? stack.count : 0;
  }
  return sum;
}

// For as long as the program needs to use that much more CPU: other work is on the machine.
void run_while(RecorderRun& run, const TestProgram& program, milliseconds busy) {
  const CpuTime end = cpu_time_of(program.pid()) + busy;
  ASSERT_TRUE(
      run.run_until(std::chrono::seconds(20), [&] { return cpu_time_of(program.pid()) >= end; }));
}

TEST(SessionCut, each_session_adds_up_and_together_they_are_what_the_kernel_counted) {
  const TestProgram first({RECURSION, "20"});
  const TestProgram second({RECURSION, "20"});
  RecorderRun run({.frequency = kFrequency});
  run->never_wait();
  run.start();
  std::vector<EndedSession> ended;
  const auto start = RecorderRun::Clock::now();
  for (int i = 0; i < 10; ++i) {
    run_while(run, first, milliseconds(100));
    auto session = run->cut();
    ASSERT_TRUE(session) << session.error().what;
    ended.push_back(*std::move(session));
  }
  run_while(run, first, milliseconds(100));
  ASSERT_TRUE(run->stop());
  const auto counted = run->stats();
  ASSERT_TRUE(counted);

  std::vector<Recording> sessions;
  for (EndedSession& session : ended) {
    auto recording = session.wait();
    ASSERT_TRUE(recording) << recording.error().what;
    sessions.push_back(*std::move(recording));
  }
  auto last = run->finish();
  ASSERT_TRUE(last) << last.error().what;
  sessions.push_back(*std::move(last));

  cpu_stats sum{};
  std::chrono::nanoseconds duration{};
  for (const Recording& session : sessions) {
    EXPECT_EQ(session.profile.total() + lost_of(session), session.stats.samples);
    EXPECT_GT(samples_with(session.profile, "recursion", "main"), 50U);
    sum = sum_of(sum, session.stats);
    duration += session.duration;
  }
  EXPECT_EQ(sum.samples, counted->samples);
  EXPECT_EQ(sum.ticks, counted->ticks);
  EXPECT_EQ(sum.ticks_period, counted->ticks_period);
  EXPECT_LE(duration, RecorderRun::Clock::now() - start);
  EXPECT_GE(duration, milliseconds(11 * 100));
}

// Names of two profiles are numbered apart: those of the first must not turn up in the second.
TEST(SessionCut, a_session_has_only_its_own_stacks) {
  RecorderRun run({.frequency = kFrequency});
  run->never_wait();
  run.start();
  auto record_one = [&] {
    const TestProgram program({RECURSION, "20"});
    run_while(run, program, milliseconds(150));
    auto session = run->cut();
    return *std::move(session);
  };
  EndedSession with = record_one();
  run.run(milliseconds(100));  // its end
  auto pause = run->cut();
  run.run(milliseconds(300));
  auto without = run->cut();
  auto recorded = with.wait();
  ASSERT_TRUE(recorded);
  EXPECT_GT(samples_with(recorded->profile, "recursion", "main"), 50U);
  auto later = without->wait();
  ASSERT_TRUE(later);
  EXPECT_EQ(samples_with(later->profile, "recursion", "main"), 0U);
  EXPECT_TRUE(pause->wait());
  (void)run.finish();
}

TEST(SessionCut, a_rate_that_changes_shows_in_the_next_session_alone) {
  const TestProgram program({RECURSION, "20"});
  RecorderRun run({.frequency = 500, .is_pid_filtered = true});
  run->never_wait();
  ASSERT_TRUE(run->select_pid(program.pid()));
  run.start();
  const auto rate_of = [&](Result<EndedSession> session, CpuTime busy) {
    auto recording = session->wait();
    return static_cast<double>(recording->stats.samples) /
           std::chrono::duration<double>(busy).count();
  };
  const CpuTime before = cpu_time_of(program.pid());
  run_while(run, program, milliseconds(600));
  CpuTime middle{};
  auto first = run->cut([&] {
    EXPECT_TRUE(run->set_frequency(100));
    middle = cpu_time_of(program.pid());
  });
  run_while(run, program, milliseconds(900));
  const CpuTime after = cpu_time_of(program.pid());
  auto second = run->cut();
  EXPECT_NEAR(rate_of(std::move(first), middle - before), 500, 60);
  EXPECT_NEAR(rate_of(std::move(second), after - middle), 100, 15);
  EXPECT_TRUE(run->housekeep());
}

TEST(SessionCut, nothing_is_sampled_in_a_pause_whatever_else_changes) {
  const TestProgram program({RECURSION, "20"});
  RecorderRun run({.frequency = 500, .is_pid_filtered = true});
  run->never_wait();
  ASSERT_TRUE(run->select_pid(program.pid()));
  run.start();
  run_while(run, program, milliseconds(100));
  run->pause();
  auto before = run->cut();
  EXPECT_TRUE(run->set_frequency(100));
  run_while(run, program, milliseconds(200));
  EXPECT_TRUE(run->housekeep());
  auto changed = run->cut([&] { EXPECT_TRUE(run->set_frequency(200)); });
  run_while(run, program, milliseconds(200));
  auto paused = run->cut();
  run->go_on();
  run_while(run, program, milliseconds(200));
  auto after = run->cut();

  EXPECT_GT(before->wait()->stats.samples, 10U);
  // What had begun by then may have come in.
  EXPECT_LE(changed->wait()->stats.samples, 2U);
  EXPECT_EQ(paused->wait()->stats.samples, 0U);
  EXPECT_GT(after->wait()->stats.samples, 10U);
}

}  // namespace
}  // namespace waggle
