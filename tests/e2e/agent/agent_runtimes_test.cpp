// SPDX-License-Identifier: Apache-2.0
// Profilers of runtimes beside the sessions of an agent: each session has its own, in turn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/subprocess.h"
#include "tests/e2e/agent/agent_process.h"
#include "tests/e2e/fallback/stand_in.h"
#include "tests/e2e/java/java_programs.h"
#include "tests/interpreters.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Words = std::vector<std::string>;

constexpr const char* kRuby = "/usr/bin/ruby";
constexpr std::chrono::duration<double> kEndTime(2.0);

Words ruby_shares() {
  return {"nice", "-n", "-5", kRuby, RUBY_SHARES};
}

std::string pid_of(const TestProgram& program) {
  return std::to_string(program.pid());
}

std::size_t count_in(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

class AgentRuntimes : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kRuby)) {
      GTEST_SKIP() << "no Ruby here (tools/install_packages test)";
    }
  }
};

bool has_java() {
  return std::filesystem::exists(async_profiler_directory()) && !find_java("17").empty();
}

class AgentRuntimesWith : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!has_java()) {
      GTEST_SKIP() << "no Java 17 or async-profiler (tests/e2e/java/fetch_async_profiler.py) here";
    }
    if (!std::filesystem::exists(kRuby) || !std::filesystem::exists(test_cache() + "/rbspy")) {
      GTEST_SKIP() << "no Ruby or rbspy (tests/e2e/runtimes/fetch_rbspy.py) here";
    }
  }
};

TEST_P(AgentRuntimesWith, tell_their_functions_in_each_session) {
  const TestProgram java(java_command("17"));
  const TestProgram ruby(ruby_shares());
  const AgentPlace place;
  WaggleRun agent(
      place.words({"-d", "2", "-f", "199", "--engine", GetParam(), "--async-profiler-path",
                   async_profiler_directory(), "--rbspy-path", test_cache() + "/rbspy",
                   "--min-profiling-duration", "0", "--pids", pid_of(java) + "," + pid_of(ruby)}));
  ASSERT_TRUE(place.wait_for_profiles(2));
  const AgentEnd end = end_agent(agent);
  EXPECT_EQ(end.result.status, 0) << end.result.err;
  EXPECT_LT(end.took, kEndTime);
  const auto files = place.read_profiles();
  ASSERT_GE(files.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const CollapsedFile& file = files[i];
    EXPECT_EQ(file.header["waggle"]["engine"], GetParam());
    EXPECT_TRUE(file.adds_up());
    EXPECT_EQ(file.header["waggle"]["tools"]["async-profiler"], "ok") << place.log();
    EXPECT_EQ(file.header["waggle"]["tools"]["rbspy"], "ok") << place.log();
    // Beside BPF the JVM's thread shows that starts async-profiler.
    EXPECT_GT(file.share_of("java", ";Shares.main([Ljava/lang/String|)V_[") +
                  file.share_of("java", "ttach"),
              0.9)
        << i << file.text_of("java");
    EXPECT_GT(file.share_of("java", ";Shares.main([Ljava/lang/String|)V_["), 0.5) << i;
    EXPECT_GT(file.share_of("ruby", ";spend_all - "), 0.9) << i << file.text_of("ruby");
  }
  EXPECT_FALSE(is_being_sampled(java.pid()));
  EXPECT_THAT(mapped_profilers(java.pid()), testing::SizeIs(1)) << "loaded once";
}

INSTANTIATE_TEST_SUITE_P(Agent, AgentRuntimesWith, testing::Values("ebpf", "fallback"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST_F(AgentRuntimes, end_where_they_cost_more_than_the_budget) {
  const TestProgram ruby(ruby_shares());
  const ToolStandIn rbspy("rbspy", "trap 'exit 0' INT; while :; do :; done");
  const AgentPlace place;
  WaggleRun agent(
      place.words({"-d", "5", "-f", "11", "--rbspy-path", rbspy.path(), "--min-profiling-duration",
                   "0", "--cpu-budget", "15", "--pids", pid_of(ruby)}));
  ASSERT_TRUE(place.wait_for_log("going on without profilers of runtimes")) << place.log();
  rbspy.expect_nothing_runs();
  // The session in which they end, and one without them.
  const std::size_t ended_in = place.read_profiles().size();
  ASSERT_TRUE(place.wait_for_profiles(ended_in + 2));
  EXPECT_EQ(end_agent(agent).result.status, 0) << place.log();
  const CollapsedFile without = place.read_profiles().at(ended_in + 1);
  const auto& header = without.header["waggle"];
  EXPECT_THAT(header["excluded"].dump(), HasSubstr("profilers of runtimes: --cpu-budget 15"));
  EXPECT_FALSE(header["tools"].contains("rbspy")) << header["tools"];
  EXPECT_GT(without.count_of("ruby"), 0U) << "its native frames stay";
  EXPECT_EQ(header["frequency"], 11) << "sampling cost little";
}

TEST_F(AgentRuntimes, are_all_there_is_on_a_host_with_too_many_processes) {
  const TestProgram ruby(ruby_shares());
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "2", "--skip-system-profilers-above", "1"}));
  ASSERT_TRUE(place.wait_for_profiles(2));
  EXPECT_EQ(end_agent(agent).result.status, 0) << place.log();
  for (const CollapsedFile& file : place.read_profiles()) {
    EXPECT_EQ(file.header["waggle"]["engine"], "none");
    EXPECT_THAT(file.header["waggle"]["excluded"].dump(),
                HasSubstr("--skip-system-profilers-above 1: the host has"));
    EXPECT_TRUE(file.adds_up());
  }
  EXPECT_EQ(count_in(place.log(), "warning: waggle: --skip-system-profilers-above 1"), 1U)
      << place.log();
}

TEST(AgentAllocations, are_told_in_each_session) {
  if (!has_java()) {
    GTEST_SKIP() << "no Java 17 or async-profiler (tests/e2e/java/fetch_async_profiler.py) here";
  }
  const TestProgram program(java_command("17", {}, "Allocates"));
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "3", "--mode", "allocation", "--alloc-interval", "256kb",
                               "--async-profiler-path", async_profiler_directory(),
                               "--min-profiling-duration", "0", "--pids", pid_of(program)}));
  ASSERT_TRUE(place.wait_for_profiles(2));
  const AgentEnd end = end_agent(agent);
  EXPECT_EQ(end.result.status, 0) << end.result.err;
  EXPECT_LT(end.took, kEndTime);
  const auto files = place.read_profiles();
  for (std::size_t i = 0; i < 2; ++i) {
    const CollapsedFile& file = files.at(i);
    EXPECT_EQ(file.header["profiling_mode"], "allocation");
    EXPECT_EQ(file.header["waggle"]["event"], "alloc");
    EXPECT_EQ(file.header["waggle"]["frequency"], 0);
    EXPECT_EQ(file.header["waggle"]["tools"]["async-profiler"], "ok") << place.log();
    EXPECT_NEAR(file.share_of("java", ";Allocates.heavy()V_"), 0.75, 0.08) << file.text_of("java");
    EXPECT_TRUE(file.adds_up());
  }
}

TEST_F(AgentRuntimes, that_hang_keep_neither_the_next_session_nor_the_end_waiting) {
  const TestProgram ruby(ruby_shares());
  const TestProgram native({RECURSION, "10"});
  const ToolStandIn rbspy("rbspy", "trap '' INT; sleep 600 & echo $! >>$DIR/pids; wait");
  const AgentPlace place;
  WaggleRun agent(
      place.words({"-d", "2", "-f", "99", "--rbspy-path", rbspy.path(), "--min-profiling-duration",
                   "0", "--pids", pid_of(ruby) + "," + pid_of(native)}));
  ASSERT_TRUE(place.wait_for_profiles(1, std::chrono::seconds(12)));  // its tool was killed
  const AgentEnd end = end_agent(agent);
  EXPECT_EQ(end.result.status, 0) << end.result.err;
  EXPECT_LT(end.took, kEndTime);
  rbspy.expect_nothing_runs();

  const auto files = place.read_profiles();
  ASSERT_GE(files.size(), 4U) << "those that waited were written at the end";
  EXPECT_THAT(files[0].header["waggle"]["tools"]["rbspy"].get<std::string>(),
              HasSubstr("had to be killed"));
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto& header = files[i].header["waggle"];
    EXPECT_TRUE(files[i].adds_up());
    if (i + 1 < files.size()) {
      EXPECT_GT(files[i].count_of("recursion", ";main;recurse"), 0U) << i;
      EXPECT_GT(files[i].count_of("ruby"), 0U) << i;
    }
    if (i > 0) {
      EXPECT_NEAR(header["start_time"].get<double>(),
                  files[i - 1].header["waggle"]["end_time"].get<double>(), 0.002);
    }
  }
  EXPECT_THAT(files[1].header["waggle"]["excluded"].dump(),
              HasSubstr("those of the session before did not end"));
}

// The kernel refuses what the engine needs of it from before the signal on.
TEST_F(AgentRuntimes, end_with_an_engine_that_fails_to_stop) {
  const char* const strace = "/usr/bin/strace";
  if (!std::filesystem::exists(strace)) {
    GTEST_SKIP() << "no strace here (tools/install_packages test)";
  }
  const TestProgram ruby(ruby_shares());
  const ToolStandIn rbspy("rbspy", "sleep 600 & echo $! >>$DIR/pids; wait");
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "2", "-f", "99", "--rbspy-path", rbspy.path(),
                               "--min-profiling-duration", "0", "--pids", pid_of(ruby)}));
  ASSERT_TRUE(place.wait_for_profiles(1));
  ASSERT_TRUE(wait_until([&] { return count_in(rbspy.targets(), "\n") >= 2; }));
  const TempDir dir;
  const std::string calls = dir.path() + "/calls";
  const auto injector = start_tool(Words{strace, "-f", "-p", std::to_string(agent.pid()), "-e",
                                         "trace=bpf", "-e", "inject=bpf:error=EIO", "-o", calls});
  ASSERT_TRUE(injector) << injector.error().what;
  const auto has_injected = [&] {
    return std::filesystem::exists(calls) && std::filesystem::file_size(calls) > 0;
  };
  ASSERT_TRUE(wait_until(has_injected)) << "it calls bpf() several times a second";
  const AgentEnd end = end_agent(agent);

  EXPECT_LT(end.took, kEndTime) << end.result.err;
  EXPECT_EQ(end.result.status, 1) << end.result.err;
  EXPECT_THAT(end.result.err, HasSubstr("the last session is lost"));
  rbspy.expect_nothing_runs();
  EXPECT_FALSE(std::filesystem::exists(place.path("agent.pid")));
  ASSERT_GE(place.profiles().size(), 1U);
  EXPECT_GT(place.read_profiles()[0].count_of("ruby"), 0U);
}

// Writes a stack that no process has, once it is asked to end.
constexpr const char* kMadeUp =
    "trap 'kill $!; echo \"made_up - /x.rb:1 5\" >$OUTPUT; exit 0' INT; sleep 60 & "
    "echo $! >>$DIR/pids; wait";

TEST_F(AgentRuntimes, follow_the_selection_that_is_read_again) {
  const TestProgram first(ruby_shares());
  const TestProgram second(ruby_shares());
  const ToolStandIn rbspy("rbspy", kMadeUp);
  const AgentPlace place;
  place.write("agent.ini", "[agent]\npids = " + pid_of(first) + "\n");
  WaggleRun agent(
      place.words({"-d", "1", "-f", "199", "--rbspy-path", rbspy.path(), "--min-profiling-duration",
                   "0", "--config", place.path("agent.ini")}));
  ASSERT_TRUE(place.wait_for_profiles(2));
  place.write("agent.ini", "[agent]\npids = " + pid_of(second) + "\n");
  ASSERT_EQ(::kill(agent.pid(), SIGHUP), 0);
  ASSERT_TRUE(wait_until([&] { return count_in(rbspy.targets(), pid_of(second) + "\n") >= 2; }));
  EXPECT_EQ(end_agent(agent).result.status, 0);

  const std::string targets = rbspy.targets();
  EXPECT_THAT(targets, StartsWith(pid_of(first) + "\n" + pid_of(first) + "\n"));
  EXPECT_LT(targets.rfind(pid_of(first) + "\n"), targets.find(pid_of(second) + "\n")) << targets;
  rbspy.expect_nothing_runs();
  const auto files = place.read_profiles();
  EXPECT_GT(files[1].count_of("ruby", ";made_up - /x.rb:1_[rb]"), 0U);
  EXPECT_TRUE(files[1].adds_up());
}

// It is asked once, not in each session: one that hangs takes seconds.
TEST_F(AgentRuntimes, go_on_without_a_perf_that_refuses) {
  const TestProgram ruby(ruby_shares());
  const ToolStandIn rbspy("rbspy", kMadeUp);
  const StandIn perf({.record = "echo 'Access is limited.' >&2; exit 255"});
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "2", "-f", "199", "--engine", "fallback", "--perf-path",
                               perf.path(), "--rbspy-path", rbspy.path(),
                               "--min-profiling-duration", "0", "--pids", pid_of(ruby)}));
  ASSERT_TRUE(place.wait_for_profiles(2)) << place.log();
  EXPECT_EQ(end_agent(agent).result.status, 0) << place.log();
  const std::string warning = "warning: waggle: " + perf.path() + " cannot sample: ";
  EXPECT_EQ(count_in(place.log(), warning), 1U) << place.log();
  EXPECT_THAT(place.log(), HasSubstr("continuing with rbspy alone: no native"));
  EXPECT_EQ(perf.calls_of("record"), 3U) << "one for each event";
  const auto files = place.read_profiles();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(files.at(i).count_of("ruby", ";made_up - /x.rb:1_[rb]"), 5U) << i;
    EXPECT_EQ(files[i].header["waggle"]["frequency"], 100) << "rbspy's";
    EXPECT_THAT(files[i].header["waggle"]["excluded"].dump(), HasSubstr("Access is limited."));
    EXPECT_TRUE(files[i].adds_up());
  }
  rbspy.expect_nothing_runs();
}

TEST_F(AgentRuntimes, that_are_not_there_are_told_of_once) {
  for (const char* place : {"/usr/bin/rbspy", "/usr/local/bin/rbspy"}) {
    if (std::filesystem::exists(place)) {
      GTEST_SKIP() << "rbspy is installed";
    }
  }
  const TestProgram ruby(ruby_shares());
  const AgentPlace place;
  WaggleRun agent(
      place.words({"-d", "1", "-f", "99", "--min-profiling-duration", "0", "--pids", pid_of(ruby)}),
      {"env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
  ASSERT_TRUE(place.wait_for_profiles(3));
  EXPECT_EQ(end_agent(agent).result.status, 0);
  EXPECT_EQ(count_in(place.log(), "warning: waggle: rbspy is not found"), 1U) << place.log();
}

}  // namespace
}  // namespace waggle
