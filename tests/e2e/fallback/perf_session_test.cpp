// SPDX-License-Identifier: Apache-2.0
// The real perf, and some that die, kept running for a recording: what counts, what is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/fallback/stand_in.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "userspace/tools/perf/session.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Clock = std::chrono::steady_clock;

constexpr auto kPerf = "/usr/bin/perf";

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
          .count());
}

double cpu_seconds_of(pid_t pid) {
  clockid_t clock = 0;
  timespec time{};
  const bool is_read =
      ::clock_getcpuclockid(pid, &clock) == 0 && ::clock_gettime(clock, &time) == 0;
  return is_read ? static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec) : 0;
}

// A session over one process, or over the whole host for none.
class Session {
 public:
  Session(const PerfRecordOptions& record, pid_t target, const PerfSessionLimits& limits) {
    auto started = PerfSession::start(
        record, target == 0, dir_.path(), loop_,
        {.on_sample =
             [this](const PerfSample& sample) {
               ++samples_[{sample.tid, sample.time_ns}];
               late_samples_ += sample.time_ns < whole_until_ns_ ? 1 : 0;
             },
         .add_own = [this](pid_t pid) { pids_.push_back(pid); },
         .find_targets =
             [target] {
               return target == 0 || !is_running(target) ? std::vector<pid_t>()
                                                         : std::vector<pid_t>{target};
             }},
        limits);
    if (!started) {
      ADD_FAILURE() << started.error().what;
      return;
    }
    session_ = *std::move(started);
  }

  PerfSession& operator*() { return *session_; }
  PerfSession* operator->() { return session_.get(); }
  [[nodiscard]] const std::vector<pid_t>& pids() const { return pids_; }
  // How often each thread was sampled at each time.
  [[nodiscard]] const std::map<std::pair<pid_t, std::uint64_t>, int>& samples() const {
    return samples_;
  }
  // How many were read after the session had said that none from before that time would come.
  [[nodiscard]] std::size_t late_samples() const { return late_samples_; }
  void note_whole(std::uint64_t until_ns) { whole_until_ns_ = until_ns; }

  // False past the limit.
  bool run_until(const std::function<bool()>& is_done, milliseconds limit) {
    for (const auto end = Clock::now() + limit; Clock::now() < end;) {
      (void)loop_.run_once(milliseconds(20));
      session_->tick();
      if (is_done()) {
        return true;
      }
    }
    return false;
  }
  void run_for(milliseconds time) {
    (void)run_until([] { return false; }, time);
  }
  void finish() {
    session_->interrupt();
    const auto stop_end = Clock::now() + seconds(10);
    while (!session_->poll_stopped() && Clock::now() < stop_end) {
      (void)loop_.run_once(milliseconds(20));
    }
    session_->end();
    const auto read_end = Clock::now() + seconds(60);
    while (!session_->poll_read() && Clock::now() < read_end) {
      (void)loop_.run_once(milliseconds(20));
    }
    session_->end_reading();
  }

 private:
  TempDir dir_;
  EventLoop loop_ = EventLoop::open().value();
  std::map<std::pair<pid_t, std::uint64_t>, int> samples_;
  std::vector<pid_t> pids_;
  std::uint64_t whole_until_ns_ = 0;
  std::size_t late_samples_ = 0;
  std::unique_ptr<PerfSession> session_;  // uses the others
};

PerfRecordOptions record_options(const std::string& perf, int frequency_hz) {
  return {.perf = perf, .event = "cpu-clock", .frequency_hz = frequency_hz, .pids = {}};
}

TEST(PerfSession, replaces_a_perf_that_has_run_for_long_and_counts_each_sample_once) {
  const TestProgram program({SHARES});
  Session session(record_options(kPerf, 997), program.pid(), {.age = milliseconds(1000)});
  const double start_s = cpu_seconds_of(program.pid());
  EXPECT_TRUE(
      session.run_until([&] { return session->counters().restarts >= 3; }, milliseconds(60'000)));
  const double used_s = cpu_seconds_of(program.pid()) - start_s;
  session.finish();
  EXPECT_EQ(session->first_problem(), "");
  EXPECT_EQ(session->counters().gap.count(), 0);
  for (const auto& [sample, count] : session.samples()) {
    EXPECT_EQ(count, 1) << sample.first << " at " << sample.second;
  }
  const double sampled_s = static_cast<double>(session.samples().size()) / 997;
  EXPECT_NEAR(sampled_s, used_s, 0.15 * used_s) << "nothing is missed in between";
}

TEST(PerfSession, replaces_one_that_has_grown_less_and_less_often_when_all_do) {
  const TestProgram program({SHARES});
  Session session(record_options(kPerf, 99), program.pid(),
                  {.rss_bytes = 1, .first_pause = milliseconds(1000)});
  EXPECT_TRUE(
      session.run_until([&] { return session->counters().restarts >= 2; }, milliseconds(60'000)));
  session.run_for(milliseconds(4000));
  EXPECT_LE(session->counters().restarts, 5);
  session.finish();
  EXPECT_EQ(session->first_problem(), "");
  EXPECT_GT(session.samples().size(), 0U);
}

TEST(PerfSession, starts_another_when_one_was_killed_and_keeps_what_that_had_written) {
  const TestProgram program({SHARES});
  Session session(record_options(kPerf, 7000), 0, {});
  session.run_for(seconds(3));
  ASSERT_EQ(::kill(session.pids().front(), SIGKILL), 0);
  const std::uint64_t killed_ns = now_ns();
  EXPECT_TRUE(
      session.run_until([&] { return session->counters().restarts == 1; }, milliseconds(30'000)));
  const std::uint64_t restarted_ns = now_ns();
  session.run_for(seconds(1));
  session.finish();
  std::size_t before = 0;
  std::size_t between = 0;
  std::size_t after = 0;
  for (const auto& [sample, count] : session.samples()) {
    ++(sample.second < killed_ns ? before : sample.second < restarted_ns ? between : after);
  }
  EXPECT_GT(before, 1000U);
  EXPECT_GT(after, 1000U);
  EXPECT_LT(between, before);
  EXPECT_THAT(session->take_problems(),
              testing::ElementsAre(HasSubstr("perf record was ended by signal 9")));
  EXPECT_GE(session->counters().gap, seconds(3));
}

TEST(PerfSession, gives_up_a_perf_that_dies_at_once_each_time) {
  const TestProgram program({SHARES});
  const StandIn perf({.record = "echo 'Events enabled' >&2; sleep 0.1; kill -SEGV $$"});
  Session session(record_options(perf.path(), 99), program.pid(),
                  {.first_pause = milliseconds(100), .max_failures = 4});
  const auto start = Clock::now();
  ASSERT_TRUE(session.run_until([&] { return session->is_given_up(); }, milliseconds(60'000)));
  EXPECT_GE(Clock::now() - start, milliseconds(100 + 200 + 400 + 800)) << "the pauses grow";
  session.run_for(seconds(1));
  session.finish();
  EXPECT_EQ(session.pids().size(), 5U);
  EXPECT_EQ(session->counters().restarts, 4);
  EXPECT_THAT(session->take_problems(),
              testing::ElementsAre(HasSubstr("perf record was ended by signal 11"),
                                   HasSubstr("given up after 5 failures")));
  EXPECT_GT(session->counters().gap, milliseconds(100 + 200 + 400 + 800));
  EXPECT_THAT(session.samples(), IsEmpty());
  perf.expect_nothing_runs();
}

TEST(PerfSession, gives_up_a_perf_that_does_not_come_back) {
  const TestProgram program({SHARES});
  const StandIn perf({.record = "[ $N = 1 ] || exit 3; exec $PERF \"$@\""});
  Session session(record_options(perf.path(), 99), program.pid(),
                  {.first_pause = milliseconds(50), .max_failures = 2});
  ASSERT_EQ(::kill(session.pids().front(), SIGKILL), 0);
  ASSERT_TRUE(session.run_until([&] { return session->is_given_up(); }, milliseconds(60'000)));
  session.finish();
  EXPECT_THAT(session.pids(), SizeIs(testing::Ge(3U)));
  EXPECT_EQ(session->counters().restarts, 0);
}

// Nothing is read meanwhile.
StandIn::Behaviour slow_at_first() {
  return {.script = "[ $N = 1 ] && sleep 3; exec $PERF \"$@\""};
}

TEST(PerfSession, ends_a_segment_in_time_though_the_one_before_is_still_read) {
  const TestProgram program({SHARES});
  const StandIn perf(slow_at_first());
  Session session(record_options(perf.path(), 997), program.pid(),
                  {.segment = milliseconds(200), .longest_segment = milliseconds(400)});
  session.run_for(milliseconds(2700));
  session.finish();
  EXPECT_EQ(session->first_problem(), "");
  EXPECT_GE(perf.calls_of("script"), 5U) << "a segment each";
  EXPECT_EQ(session->counters().gap.count(), 0);
  for (const auto& [sample, count] : session.samples()) {
    EXPECT_EQ(count, 1) << sample.first << " at " << sample.second;
  }
}

TEST(PerfSession, ends_a_segment_that_is_large) {
  const TestProgram program({SHARES});
  const StandIn perf({});
  PerfRecordOptions record = record_options(perf.path(), 997);
  record.mode = PerfMode::dwarf;
  record.dwarf_stack_bytes = 32768;
  Session session(record, program.pid(),
                  {.segment = seconds(60), .segment_bytes = std::uint64_t{1} << 20});
  session.run_for(seconds(4));
  session.finish();
  EXPECT_EQ(session->first_problem(), "");
  EXPECT_GE(perf.calls_of("script"), 3U) << "a segment each";
}

TEST(PerfSession, drops_the_oldest_of_the_data_that_waits_to_be_read_and_tells_so) {
  const TestProgram program({SHARES});
  const StandIn perf(slow_at_first());
  Session session(
      record_options(perf.path(), 997), program.pid(),
      {.segment = milliseconds(200), .longest_segment = milliseconds(400), .waiting_bytes = 1});
  session.run_for(milliseconds(2700));
  session.finish();
  EXPECT_EQ(session->first_problem(), "perf script is too slow: data was dropped unread");
  EXPECT_LE(perf.calls_of("script"), 4U);
  EXPECT_GT(session->counters().gap, milliseconds(800));
  EXPECT_LT(session->counters().gap, milliseconds(5000));
  EXPECT_GT(session.samples().size(), 0U);
}

TEST(PerfSession, is_over_when_all_that_it_samples_has_ended) {
  auto program = std::make_unique<TestProgram>(std::vector<std::string>{SHARES});
  Session session(record_options(kPerf, 99), program->pid(), {});
  session.run_for(seconds(1));
  EXPECT_FALSE(session->is_over());
  program.reset();
  EXPECT_TRUE(session.run_until([&] { return session->is_over(); }, milliseconds(30'000)));
  session.finish();
  EXPECT_EQ(session->first_problem(), "");
  EXPECT_EQ(session->counters().gap.count(), 0);
  EXPECT_GT(session.samples().size(), 0U);
}

TEST(PerfSession, tells_of_each_part_why_no_perf_samples) {
  const TestProgram program({SHARES});
  const StandIn perf({.record = "[ $N = 1 ] && exec $PERF \"$@\"; exit 3"});
  Session session(record_options(perf.path(), 99), 0, {.first_pause = milliseconds(50)});
  session.run_for(seconds(1));
  ASSERT_EQ(::kill(session.pids().front(), SIGKILL), 0);
  for (int i = 0; i < 3; ++i) {
    session.run_for(milliseconds(300));
    const PerfSession::Account account = session->take_account(Clock::now());
    EXPECT_THAT(account.first_problem, testing::StartsWith("perf record was ended by signal 9"))
        << i;
    EXPECT_GT(account.counters.gap, milliseconds(200)) << i;
  }
  session.finish();
}

TEST(PerfSession, keeps_what_a_script_printed_before_it_failed_and_tells) {
  const TestProgram program({SHARES});
  const StandIn perf({.script = "$PERF \"$@\" | head -n 2000; echo 'bad record' >&2; exit 255"});
  Session session(record_options(perf.path(), 997), program.pid(), {});
  session.run_for(seconds(1));
  session.finish();
  EXPECT_EQ(session->first_problem(), "perf script exited with status 255: bad record");
  EXPECT_GT(session.samples().size(), 50U);
}

// Cuts it again and again, and waits each time for what was sampled before.
void cut_repeatedly(Session& session, int times) {
  for (int i = 0; i < times; ++i) {
    session.run_for(milliseconds(230));
    const auto end = Clock::now();
    session->cut(end);
    ASSERT_TRUE(session.run_until([&] { return session->has_read_until(perf_time_ns(end)); },
                                  milliseconds(20'000)));
    session.note_whole(perf_time_ns(end));
  }
}

TEST(PerfSession, knows_when_all_that_was_sampled_before_a_cut_has_been_read) {
  const TestProgram program({SHARES});
  Session session(record_options(kPerf, 3999), 0, {});
  cut_repeatedly(session, 8);
  session.finish();
  EXPECT_EQ(session->first_problem(), "");
  EXPECT_EQ(session.late_samples(), 0U);
  EXPECT_GT(session.samples().size(), 1000U);
}

TEST(PerfSession, knows_it_though_segments_end_by_themselves_and_perf_is_replaced) {
  const TestProgram program({SHARES});
  Session session(record_options(kPerf, 3999), 0,
                  {.age = milliseconds(1500),
                   .segment = milliseconds(300),
                   .longest_segment = milliseconds(2000)});
  cut_repeatedly(session, 8);
  session.finish();
  EXPECT_EQ(session->first_problem(), "");
  EXPECT_EQ(session.late_samples(), 0U);
  EXPECT_GE(session->counters().restarts, 1);
}

TEST(PerfSession, accounts_for_a_gap_in_the_parts_that_it_is_in) {
  const TestProgram program({SHARES});
  Session session(record_options(kPerf, 99), 0, {.first_pause = milliseconds(3000)});
  session.run_for(seconds(1));
  ASSERT_EQ(::kill(session.pids().front(), SIGKILL), 0);
  session.run_for(seconds(1));
  const auto end = Clock::now();
  session->cut(end);
  EXPECT_TRUE(
      session.run_until([&] { return session->counters().restarts == 1; }, milliseconds(30'000)));
  const auto restarted = Clock::now();
  session.run_for(seconds(1));
  const PerfSession::Account first = session->take_account(end);
  EXPECT_THAT(first.first_problem, testing::StartsWith("perf record was ended by signal 9"));
  EXPECT_GE(first.counters.gap, milliseconds(1000));
  const PerfSession::Account second = session->take_account(Clock::now());
  EXPECT_EQ(second.first_problem, "");
  EXPECT_GT(second.counters.gap, milliseconds(500));
  EXPECT_LE(second.counters.gap, restarted - end);
  EXPECT_GT(first.counters.cpu_time.count(), 0);
  session.finish();
  EXPECT_EQ(session->take_account(Clock::now()).counters.gap.count(), 0);
}

}  // namespace
}  // namespace waggle
