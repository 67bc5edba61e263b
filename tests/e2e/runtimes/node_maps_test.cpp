// SPDX-License-Identifier: Apache-2.0
// `waggle record --nodejs-mode attach-maps` of real Nodes that were started like any other: their
// functions have names while it records, and they are as they were afterwards.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/e2e/agent/agent_process.h"
#include "tests/e2e/runtimes/node_maps_run.h"
#include "tests/wait_until.h"

namespace waggle {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kTool = "node-linux-perf";

pid_t child_of(pid_t parent) {
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", parent));
  pid_t child = 0;
  children >> child;
  return child;
}

std::string tool_state(const CollapsedFile& file) {
  return file.header["waggle"]["tools"].value(kTool, "");
}

class NodeMapsOfEngine : public NodeMaps, public testing::WithParamInterface<const char*> {};

void expect_names(const CollapsedFile& file, const std::string& comm) {
  constexpr double kPoints = 7;  // of 600 samples a share of 50 % has a standard deviation of 2
  EXPECT_TRUE(file.adds_up());
  ASSERT_GT(file.count_of(comm), 100U);
  for (const auto& [name, share] :
       {std::pair("spendHalf", 50), std::pair("spendThird", 30), std::pair("spendFifth", 20)}) {
    const std::string function = fmt::format("Function:{} {}:", name, NODE_SHARES);
    EXPECT_NEAR(innermost_share(file, comm, function), share, kPoints) << file.text_of(comm);
  }
}

TEST_P(NodeMapsOfEngine, name_the_functions_of_a_node_that_was_started_without) {
  const TestProgram program(node(NODE_SHARES));
  const WaggleResult result =
      record_attaching(program.pid(), {"--engine", GetParam(), "-d", "3", "-F", "199"});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_names(file, "node");
  expect_as_before(program.pid());
}

INSTANTIATE_TEST_SUITE_P(Engines, NodeMapsOfEngine, testing::Values("ebpf", "fallback"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST_F(NodeMaps, come_and_go_ten_times_in_one_node) {
  constexpr int kTimes = 10;
  const TestProgram program(node(NODE_SHARES));
  for (int i = 0; i < kTimes; ++i) {
    const WaggleResult result = record_attaching(program.pid(), {"-d", "2", "-F", "199"});
    ASSERT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_EQ(tool_state(file), "ok") << result.err;
    // On a busy host up to a second of it is over by then.
    EXPECT_GT(innermost_share(file, "node", "Function:spendHalf "), 15) << file.text_of("node");
    expect_as_before(program.pid());
  }
  // One copy of the module, whatever the number of recordings.
  std::ifstream maps(fmt::format("/proc/{}/maps", program.pid()));
  int executable = 0;
  for (std::string line; std::getline(maps, line);) {
    executable += line.find("r-xp") != line.npos && line.find("linux-perf.node") != line.npos;
  }
  EXPECT_EQ(executable, 1);
}

TEST_F(NodeMaps, leave_an_inspector_open_that_was_open_before) {
  const TestProgram program(node(NODE_SHARES, "--inspect=127.0.0.1:0 --inspect-port=9237"));
  ASSERT_TRUE(is_listening(program.pid()));
  const WaggleResult result = record_attaching(program.pid(), {"-d", "2", "-F", "199"});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  EXPECT_GT(innermost_share(file, "node", "Function:spendHalf "), 15) << file.text_of("node");
  EXPECT_TRUE(is_listening(program.pid()));
  EXPECT_FALSE(std::filesystem::exists(map_of(program.pid())));
}

TEST_F(NodeMaps, are_of_no_other_process_that_has_the_port) {
  const TestProgram other({kNode, "--inspect=127.0.0.1:9229", NODE_SHARES});
  ASSERT_TRUE(is_listening(other.pid()));
  const TestProgram program(node(NODE_SHARES));
  const WaggleResult result = record_attaching(program.pid(), {"-d", "1"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("port 9229 of its inspector is another process'"));
  EXPECT_THAT(tool_state(CollapsedFile::parse(result.out)), HasSubstr("port 9229"));
  EXPECT_EQ(errors(), "") << "it was asked to open its inspector";
  EXPECT_FALSE(std::filesystem::exists(map_of(other.pid())));
  expect_as_before(program.pid());
}

TEST_F(NodeMaps, are_not_asked_for_where_the_signal_would_end_the_process) {
  const TestProgram program(node(NODE_DEAF));
  const WaggleResult result = record_attaching(program.pid(), {"-d", "1"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("does not handle SIGUSR1"));
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(file.header["waggle"]["excluded"].dump(), HasSubstr("SIGUSR1"));
  EXPECT_GT(file.count_of("node"), 30U);
  expect_as_before(program.pid());
}

TEST_F(NodeMaps, without_the_module_leave_nodes_alone_and_say_how_to_get_it) {
  const TestProgram program(node(NODE_SHARES));
  const WaggleResult result = run_waggle({"record", "-o", "-", "--nodejs-mode", "attach-maps", "-d",
                                          "1", "-p", std::to_string(program.pid())},
                                         {"env", "PATH=/usr/bin:/bin"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("node-linux-perf is not found"));
  EXPECT_THAT(result.err, HasSubstr("tools/fetch-profilers"));
  EXPECT_EQ(errors(), "");
  expect_as_before(program.pid());

  const WaggleResult given =
      run_waggle({"record", "-o", "-", "--nodejs-mode", "attach-maps", "--node-linux-perf-path",
                  "/nonexistent", "-d", "1", "-p", std::to_string(program.pid())});
  EXPECT_EQ(given.status, 1);
  EXPECT_THAT(given.err, HasSubstr("/nonexistent is no linux-perf.node"));
}

TEST_F(NodeMaps, of_a_module_that_node_refuses_are_told_with_its_reason) {
  const std::string module = folder_.path() + "/broken.node";
  std::ofstream(module) << "no module";
  const TestProgram program(node(NODE_SHARES));
  const WaggleResult result =
      run_waggle({"record", "-o", "-", "--nodejs-mode", "attach-maps", "--node-linux-perf-path",
                  module, "-d", "1", "-p", std::to_string(program.pid())});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("continuing without the names of its functions"));
  EXPECT_THAT(tool_state(CollapsedFile::parse(result.out)), HasSubstr("linux-perf.node: "));
  expect_as_before(program.pid());
}

// As in a container: another user, and namespaces and a /tmp of its own.
TEST_F(NodeMaps, reach_a_node_in_namespaces_of_its_own) {
  const std::string script = fmt::format(
      "ip link set lo up && mount -t tmpfs -o mode=1777 none /tmp && exec setpriv --reuid 65534 "
      "--regid 65534 --clear-groups --pdeathsig KILL {} {} {}",
      kNode, kNoInlining, NODE_SHARES);
  const TestProgram program({"unshare", "--mount", "--pid", "--net", "--fork", "--kill-child",
                             "--mount-proc", "sh", "-c", script});
  const pid_t inner = child_of(program.pid());
  ASSERT_GT(inner, 0);
  const std::string temporary = fmt::format("/proc/{}/root/tmp", inner);
  // Its port is no other's there.
  const TestProgram other({kNode, "--inspect=127.0.0.1:9229", NODE_SHARES});
  const WaggleResult result = record_attaching(inner, {"-d", "3", "-F", "199"});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_names(file, "node");
  EXPECT_TRUE(is_running(inner));
  EXPECT_FALSE(is_listening(inner));
  EXPECT_TRUE(std::filesystem::is_empty(temporary));
  EXPECT_THAT(places_in("/tmp"), IsEmpty());
}

TEST_F(NodeMaps, do_not_interrupt_nor_wait_for_a_node_in_a_system_call) {
  constexpr seconds kMost(5);
  const TestProgram program(node(NODE_WAITS));
  const TestProgram native(ahead({RECURSION, "10"}));
  const auto began = std::chrono::steady_clock::now();
  const WaggleResult result = run_waggle({"record", "-o", "-", "--nodejs-mode", "attach-maps",
                                          "--node-linux-perf-path", module_path(), "-d", "1", "-p",
                                          fmt::format("{},{}", program.pid(), native.pid())});
  EXPECT_LT(std::chrono::steady_clock::now() - began, kMost);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("in a system call that a signal would interrupt"));
  EXPECT_GT(CollapsedFile::parse(result.out).count_of("recursion"), 30U);
  EXPECT_EQ(errors(), "");
  expect_as_before(program.pid());
}

TEST_F(NodeMaps, leave_nothing_of_a_node_that_dies_midway) {
  auto program = std::make_unique<TestProgram>(node(NODE_SHARES));
  const pid_t pid = program->pid();
  const TestProgram native(ahead({RECURSION, "10"}));
  WaggleRun run({"record", "-o", "-", "--nodejs-mode", "attach-maps", "--node-linux-perf-path",
                 module_path(), "-d", "2", "-p", fmt::format("{},{}", pid, native.pid())});
  EXPECT_TRUE(
      wait_until([&] { return std::filesystem::exists(map_of(pid)) || !is_running(run.pid()); }));
  program.reset();
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("inspector")));
  EXPECT_GT(CollapsedFile::parse(result.out).count_of("recursion"), 30U);
  EXPECT_FALSE(std::filesystem::exists(map_of(pid)));
  EXPECT_THAT(places_in("/tmp"), IsEmpty());
}

TEST_F(NodeMaps, of_an_agent_last_over_its_sessions_and_end_with_it) {
  const TestProgram program(node(NODE_SHARES));
  const AgentPlace place;
  WaggleRun agent(place.words(attaching(program.pid(), {"-d", "2", "-f", "99"})));
  EXPECT_TRUE(place.wait_for_profiles(3)) << place.log();
  const AgentEnd ended = end_agent(agent);
  EXPECT_EQ(ended.result.status, 0) << ended.result.err;
  EXPECT_LT(ended.took, seconds(2));
  const std::string told = errors();
  std::size_t opened = 0;
  for (std::size_t at = told.find("Debugger attached"); at != told.npos;
       at = told.find("Debugger attached", at + 1)) {
    ++opened;
  }
  EXPECT_EQ(opened, 2U) << told;
  expect_as_before(program.pid());
}

TEST_F(NodeMaps, are_not_asked_for_of_a_node_that_writes_its_own) {
  const TestProgram program(node(NODE_SHARES, "--perf-basic-prof"));
  const WaggleResult result = record_attaching(program.pid(), {"-d", "1"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("JS:*spendHalf "));
  EXPECT_EQ(errors(), "");
  EXPECT_TRUE(std::filesystem::remove(map_of(program.pid())));
}

}  // namespace
}  // namespace waggle
