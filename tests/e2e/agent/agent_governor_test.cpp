// SPDX-License-Identifier: Apache-2.0
// What an agent costs, measured from outside, and what it gives up to stay within its budget.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/agent/agent_process.h"
#include "tests/e2e/agent/http_client.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// The value of a metric, without its prefix.
double metric(std::uint16_t port, const std::string& name) {
  const std::string text = body_of(get(port, "/metrics"));
  const std::string key = "\nwaggle_" + name + " ";
  const std::size_t at = text.find(key);
  return at == std::string::npos ? -1 : std::stod(text.substr(at + key.size()));
}

// Of all threads of the process and of its BPF program, since they began.
struct CostNow {
  std::chrono::steady_clock::time_point time = std::chrono::steady_clock::now();
  std::chrono::duration<double> used{};

  static CostNow of(const WaggleRun& agent, std::uint16_t port) {
    CostNow now;
    now.used = cpu_time_of(agent.pid()) +
               nanoseconds(static_cast<std::int64_t>(metric(port, "run_ns_total") +
                                                     metric(port, "follow_ns_total")));
    return now;
  }
  [[nodiscard]] double percent_since(const CostNow& begin) const {
    return (used - begin.used) / (time - begin.time) * 100;
  }
};

// The samples of these processes as CPU time, over all sessions.
double sampled_seconds(const std::vector<CollapsedFile>& files, const std::string& comm) {
  double sum = 0;
  for (const CollapsedFile& file : files) {
    sum +=
        static_cast<double>(file.count_of(comm)) / file.header["waggle"]["frequency"].get<double>();
  }
  return sum;
}

TEST(AgentGovernor, settles_in_20_s_and_its_weights_stay_cpu_time) {
  constexpr double kBudget = 2;
  // Deep, so that sampling costs much wherever this runs.
  const TestProgram first({RECURSION, "300"});
  const TestProgram second({RECURSION, "300"});
  const AgentPlace place;
  const std::uint16_t port = free_port();
  WaggleRun agent(place.words(
      {"-d", "10", "-f", "4999", "--cpu-budget", "2", "--metrics-listen", std::to_string(port)}));
  ASSERT_TRUE(place.wait_for_log("sampling at 4999 Hz"));
  const CpuTime busy_begin = cpu_time_of(first.pid()) + cpu_time_of(second.pid());
  std::this_thread::sleep_for(seconds(20));
  const CostNow begin = CostNow::of(agent, port);
  std::this_thread::sleep_for(seconds(12));
  const CostNow end = CostNow::of(agent, port);
  EXPECT_GE(metric(port, "governor_lowered_total"), 1) << "4,999 Hz cost less than the budget";
  EXPECT_EQ(metric(port, "governor_pauses_total"), 0);
  EXPECT_LT(metric(port, "frequency_hertz"), 4999);
  EXPECT_EQ(metric(port, "cpu_budget_percent"), kBudget);
  const AgentEnd ended = end_agent(agent);
  const CpuTime busy = cpu_time_of(first.pid()) + cpu_time_of(second.pid()) - busy_begin;
  EXPECT_EQ(ended.result.status, 0) << place.log();
  EXPECT_LT(ended.took, seconds(2));

  const double percent = end.percent_since(begin);
  std::cout << "costs " << percent << " % of a core, the budget is " << kBudget << "\n";
  EXPECT_GE(percent, kBudget / 2) << place.log();
  EXPECT_LE(percent, kBudget * 1.2) << place.log();

  const std::vector<CollapsedFile> files = place.read_profiles();
  ASSERT_GE(files.size(), 3U);
  for (const CollapsedFile& file : files) {
    EXPECT_TRUE(file.adds_up());
  }
  const double sampled = sampled_seconds(files, "recursion");
  std::cout << "samples stand for " << sampled / std::chrono::duration<double>(busy).count()
            << " of the CPU time\n";
  EXPECT_NEAR(sampled, std::chrono::duration<double>(busy).count(),
              std::chrono::duration<double>(busy).count() * 0.05);
  EXPECT_THAT(place.log(), HasSubstr("--cpu-budget allows 2: sampling at "));
}

// About a hundred a second: what follows them costs more than their samples.
TEST(AgentGovernor, keeps_sampling_beside_programs_that_begin_and_end_all_the_time) {
  constexpr double kBudget = 2;
  const TestProgram storm({"sh", "-c", "echo ready; while :; do /bin/true; sleep 0.005; done"});
  const TestProgram busy({RECURSION, "20"});
  const AgentPlace place;
  const std::uint16_t port = free_port();
  WaggleRun agent(place.words(
      {"-d", "10", "-f", "11", "--cpu-budget", "2", "--metrics-listen", std::to_string(port)}));
  ASSERT_TRUE(place.wait_for_log("sampling at 11 Hz"));
  std::this_thread::sleep_for(seconds(20));
  const CostNow begin = CostNow::of(agent, port);
  std::this_thread::sleep_for(seconds(12));
  const CostNow end = CostNow::of(agent, port);
  EXPECT_EQ(metric(port, "governor_pauses_total"), 0) << place.log();
  EXPECT_EQ(metric(port, "sampling"), 1);
  const double percent = end.percent_since(begin);
  std::cout << "costs " << percent << " % of a core, the budget is " << kBudget << "\n";
  EXPECT_LE(percent, kBudget * 1.2) << place.log();
  EXPECT_EQ(end_agent(agent).result.status, 0) << place.log();
  const std::vector<CollapsedFile> files = place.read_profiles();
  ASSERT_GE(files.size(), 3U);
  EXPECT_GT(files.back().count_of("recursion"), 0U);
}

TEST(AgentGovernor, pauses_where_nothing_else_keeps_it_within_the_budget) {
  const TestProgram program({RECURSION, "20"});
  const AgentPlace place;
  const std::uint16_t port = free_port();
  WaggleRun agent(place.words(
      {"-d", "2", "-f", "99", "--cpu-budget", "0.01", "--metrics-listen", std::to_string(port)}));
  ASSERT_TRUE(place.wait_for_log("nothing is left to be given up: sampling pauses")) << place.log();
  EXPECT_TRUE(wait_until([&] { return metric(port, "sampling") == 0; }));
  EXPECT_EQ(metric(port, "paused"), 1);
  EXPECT_THAT(get(port, "/readyz"), testing::StartsWith("HTTP/1.1 503"));
  const std::size_t count = place.profiles().size();
  ASSERT_TRUE(place.wait_for_profiles(count + 3));
  const AgentEnd ended = end_agent(agent);
  EXPECT_EQ(ended.result.status, 0) << place.log();
  EXPECT_LT(ended.took, seconds(2));

  const std::vector<CollapsedFile> files = place.read_profiles();
  const auto& paused = files.at(count + 1).header["waggle"];
  EXPECT_NEAR(paused["paused_s"].get<double>(), 2, 0.1);
  EXPECT_EQ(paused["samples"], 0);
  EXPECT_EQ(files.at(0).header["waggle"]["paused_s"], 0);
  EXPECT_GT(files.at(0).count_of("recursion"), 0U);
}

TEST(AgentGovernor, with_too_much_memory_forgets_names_and_pauses_then) {
  const TestProgram program({RECURSION, "20"});
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "2", "-f", "99", "--memory-budget", "1"}));
  ASSERT_TRUE(place.wait_for_log("--memory-budget 1 allows: sampling pauses")) << place.log();
  EXPECT_THAT(place.log(), HasSubstr("forgetting the names of files"));
  EXPECT_EQ(end_agent(agent).result.status, 0) << place.log();
}

TEST(AgentGovernor, of_record_lowers_the_frequency_of_the_one_recording) {
  const TestProgram first({RECURSION, "300"});
  const TestProgram second({RECURSION, "300"});
  const auto end = [&] { return cpu_time_of(first.pid()) + cpu_time_of(second.pid()); };
  const CpuTime begin = end();
  const WaggleResult result =
      run_waggle({"record", "-d", "16", "-F", "4999", "--cpu-budget", "1", "-o", "-"});
  const std::chrono::duration<double> busy = end() - begin;
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("--cpu-budget allows 1: sampling at "));
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_TRUE(file.adds_up());
  EXPECT_LT(file.header["waggle"]["frequency"].get<double>(), 4999);
  // Start and end of the program itself are not sampled.
  const double sampled = sampled_seconds({file}, "recursion");
  EXPECT_GT(sampled, busy.count() * 0.9);
  EXPECT_LT(sampled, busy.count() * 1.05);
}

}  // namespace
}  // namespace waggle
