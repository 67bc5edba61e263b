// SPDX-License-Identifier: Apache-2.0
// The agent where perf takes the samples: its sessions follow one another in one recording.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/agent/agent_process.h"
#include "tests/e2e/fallback/stand_in.h"
#include "tests/interpreters.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using Words = std::vector<std::string>;

constexpr std::chrono::duration<double> kEndTime(2.0);
constexpr double kDuration = 2;
constexpr double kTolerance = 0.05;
constexpr double kLateness = 0.05;  // of a session; it must not add up

Words with_perf(const Words& more) {
  Words words = {"-d", "2", "--no-flamegraph", "--engine", "fallback"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string pid_of(const TestProgram& program) {
  return std::to_string(program.pid());
}

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// What a program has used at any time of the test.
class CpuLog {
 public:
  explicit CpuLog(const TestProgram& program)
      : thread_([this, pid = program.pid()](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            note(unix_now(), std::chrono::duration<double>(cpu_time_of(pid)).count());
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
          }
        }) {}

  [[nodiscard]] double used_until(double time) const {
    const std::scoped_lock lock(mutex_);
    const auto next = entries_.lower_bound(time);
    if (next == entries_.begin() || next == entries_.end()) {
      return next == entries_.end() ? entries_.rbegin()->second : next->second;
    }
    const auto before = std::prev(next);
    return std::lerp(before->second, next->second,
                     (time - before->first) / (next->first - before->first));
  }

 private:
  void note(double time, double used_s) {
    const std::scoped_lock lock(mutex_);
    entries_[time] = used_s;
  }

  mutable std::mutex mutex_;
  std::map<double, double> entries_;  // guarded by mutex_
  std::jthread thread_;               // last: it uses the others
};

double fact(const CollapsedFile& session, const char* name) {
  return session.header["waggle"][name].get<double>();
}

std::string perf_state(const CollapsedFile& session) {
  return session.header["waggle"]["tools"].value("perf", "none");
}

double sampled_s(const CollapsedFile& session, const std::string& comm) {
  return static_cast<double>(session.count_of(comm)) / fact(session, "frequency");
}

// The first of an agent's.
std::vector<CollapsedFile> run_sessions(const AgentPlace& place, const Words& words,
                                        std::size_t count) {
  WaggleRun agent(place.words(with_perf(words)));
  EXPECT_TRUE(place.wait_for_profiles(count, std::chrono::seconds(60))) << place.log();
  const AgentEnd end = end_agent(agent);
  EXPECT_EQ(end.result.status, 0) << end.result.err;
  EXPECT_LT(end.took, kEndTime);
  auto sessions = place.read_profiles();
  sessions.resize(std::min(sessions.size(), count));  // its end left others without their data
  return sessions;
}

void expect_on_the_grid(const std::vector<CollapsedFile>& sessions) {
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    EXPECT_NEAR(fact(sessions[i], "start_time") - fact(sessions[0], "start_time"),
                kDuration * static_cast<double>(i), kLateness)
        << i;
    if (i > 0) {
      EXPECT_NEAR(fact(sessions[i - 1], "end_time"), fact(sessions[i], "start_time"), 0.001) << i;
    }
  }
}

// Three standard deviations of what is sampled of a program that others interrupt.
double noise(double used_s, double frequency) {
  return 3 * std::sqrt(used_s / frequency);
}

// But for the first, which has what was sampled before all had begun.
void expect_whole(const std::vector<CollapsedFile>& sessions, const CpuLog& log,
                  const std::string& comm) {
  double sum = 0;
  for (std::size_t i = 1; i < sessions.size(); ++i) {
    const double sampled = sampled_s(sessions[i], comm);
    const double used = log.used_until(fact(sessions[i], "end_time")) -
                        log.used_until(fact(sessions[i], "start_time"));
    EXPECT_NEAR(sampled, used, noise(used, fact(sessions[i], "frequency")))
        << i << sessions[i].header["waggle"];
    EXPECT_TRUE(sessions[i].adds_up()) << i;
    EXPECT_EQ(fact(sessions[i], "paused_s"), 0) << i;
    EXPECT_NEAR(fact(sessions[i], "duration_s"), kDuration, kLateness) << i;
    sum += sampled;
  }
  const double used = log.used_until(fact(sessions.back(), "end_time")) -
                      log.used_until(fact(sessions.at(1), "start_time"));
  const double noise_of_all = noise(used, fact(sessions[0], "frequency"));
  EXPECT_NEAR(sum, used, std::max(kTolerance * used, noise_of_all));
}

// The program gets the CPU beside busy others.
Words ahead(Words command) {
  command.insert(command.begin(), {"nice", "-n", "-5"});
  return command;
}

TEST(AgentWithPerf, has_sessions_without_a_gap_between_them) {
  const TestProgram program(ahead({RECURSION, "20"}));
  const CpuLog log(program);
  const AgentPlace place;
  const auto sessions = run_sessions(place, {"--no-python", "-f", "499", "-p", pid_of(program)}, 5);
  ASSERT_GE(sessions.size(), 5U);
  expect_on_the_grid(sessions);
  expect_whole(sessions, log, "recursion");
  for (const CollapsedFile& session : sessions) {
    EXPECT_EQ(perf_state(session), "ok");
    EXPECT_EQ(session.share_of("recursion", ";main;recurse;recurse"), 1.0);
    EXPECT_GT(session.header["waggle"]["overhead"]["cpu_s"], 0);
  }
}

TEST(AgentWithPerf, cuts_both_of_two_walks_at_the_same_time) {
  const TestProgram program(ahead({RECURSION, "20"}));
  const CpuLog log(program);
  const AgentPlace place;
  const auto sessions = run_sessions(
      place, {"--no-python", "-f", "99", "--perf-mode", "smart", "-p", pid_of(program)}, 4);
  ASSERT_GE(sessions.size(), 4U);
  expect_on_the_grid(sessions);
  expect_whole(sessions, log, "recursion");
  for (const CollapsedFile& session : sessions) {
    EXPECT_EQ(perf_state(session), "ok");
    EXPECT_EQ(session.header["waggle"]["tools"]["perf (dwarf)"], "ok");
  }
}

TEST(AgentWithPerf, has_the_functions_of_python_in_each_session) {
  const std::string py_spy = test_cache() + "/py-spy";
  if (!std::filesystem::exists(py_spy)) {
    GTEST_SKIP() << "no py-spy here (tests/e2e/python/fetch_pyspy.py)";
  }
  const TestProgram program(ahead({RECURSION, "20"}));
  const TestProgram python(ahead({"/usr/bin/python3", "-B", PYTHON_SHARES}));
  const CpuLog log(program);
  const AgentPlace place;
  const auto sessions = run_sessions(place,
                                     {"--py-spy-path", py_spy, "--min-profiling-duration", "0",
                                      "-f", "499", "-p", pid_of(program) + "," + pid_of(python)},
                                     5);
  ASSERT_GE(sessions.size(), 5U);
  expect_on_the_grid(sessions);
  expect_whole(sessions, log, "recursion");
  for (std::size_t i = 0; i < 4; ++i) {
    const CollapsedFile& session = sessions[i];
    EXPECT_EQ(session.header["waggle"]["tools"]["py-spy"], "ok") << i << place.log();
    EXPECT_GT(session.share_of("python3", ".spend_all ("), 0.9) << i << session.text_of("python3");
  }
}

TEST(AgentWithPerf, tells_of_a_perf_that_dies_in_the_session_that_lacks_it) {
  const TestProgram program(ahead({RECURSION, "20"}));
  const StandIn perf({.record = "echo $$ >$DIR/recorder; exec $PERF \"$@\""});
  const AgentPlace place;
  WaggleRun agent(place.words(with_perf({"--no-python", "-f", "99", "--perf-path", perf.path()})));
  ASSERT_TRUE(place.wait_for_profiles(1)) << place.log();
  const pid_t recorder = std::stoi(perf.read("recorder"));
  ASSERT_EQ(::kill(recorder, SIGKILL), 0);
  const std::size_t before = place.profiles().size();
  ASSERT_TRUE(place.wait_for_profiles(before + 4)) << place.log();
  EXPECT_EQ(end_agent(agent).result.status, 0) << place.log();
  const auto sessions = place.read_profiles();
  expect_on_the_grid(sessions);
  const auto told = std::ranges::find_if(sessions, [](const CollapsedFile& session) {
    return perf_state(session).starts_with("perf record was ended by signal 9");
  });
  ASSERT_NE(told, sessions.end());
  EXPECT_GT(fact(*told, "paused_s"), 0.4);
  EXPECT_LE(fact(*told, "paused_s"), kDuration);
  EXPECT_EQ(perf_state(sessions.front()), "ok");
  const CollapsedFile& later = sessions.at(before + 3);
  EXPECT_EQ(perf_state(later), "ok");
  EXPECT_EQ(fact(later, "paused_s"), 0);
  EXPECT_GT(later.count_of("recursion"), 0U);
  perf.expect_nothing_runs();
}

TEST(AgentWithPerf, ends_in_time_with_what_a_perf_that_does_not_end_has_written) {
  const TestProgram program(ahead({RECURSION, "20"}));
  const StandIn perf({.record = "[ $N = 1 ] && exec $PERF \"$@\"\ntrap '' INT\n"
                                "$PERF \"$@\" &\ntrap 'kill -USR2 $!' USR2\n"
                                "while :; do wait; done"});
  const AgentPlace place;
  WaggleRun agent(place.words(with_perf({"--no-python", "-f", "99", "--perf-path", perf.path()})));
  ASSERT_TRUE(place.wait_for_profiles(2)) << place.log();
  const AgentEnd end = end_agent(agent);
  EXPECT_EQ(end.result.status, 0) << place.log();
  EXPECT_LT(end.took, kEndTime);
  const auto sessions = place.read_profiles();
  EXPECT_THAT(perf_state(sessions.back()),
              testing::StartsWith("perf record did not end on SIGINT and was killed"));
  EXPECT_EQ(perf_state(sessions.at(0)), "ok");
  EXPECT_GT(sessions.at(0).count_of("recursion"), 0U);
  perf.expect_nothing_runs();
}

TEST(AgentWithPerf, takes_another_frequency_from_the_next_session_on) {
  const TestProgram program(ahead({RECURSION, "20"}));
  const AgentPlace place;
  const std::string config = place.path("config.ini");
  place.write("config.ini", "frequency = 99\n");
  WaggleRun agent(place.words(
      {"-d", "3", "--no-flamegraph", "--engine", "fallback", "--no-python", "--config", config}));
  ASSERT_TRUE(place.wait_for_profiles(1)) << place.log();
  place.write("config.ini", "frequency = 499\n");
  ASSERT_EQ(::kill(agent.pid(), SIGHUP), 0);
  ASSERT_TRUE(place.wait_for_profiles(4)) << place.log();
  EXPECT_EQ(end_agent(agent).result.status, 0) << place.log();
  const auto sessions = place.read_profiles();
  EXPECT_EQ(fact(sessions.at(0), "frequency"), 99);
  EXPECT_EQ(fact(sessions.at(3), "frequency"), 499);
  EXPECT_GT(sessions.at(3).count_of("recursion"), 0U);
}

}  // namespace
}  // namespace waggle
