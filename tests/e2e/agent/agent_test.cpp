// SPDX-License-Identifier: Apache-2.0
// The agent as an operator meets it: how it starts, goes on, is told something, and ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/subprocess.h"
#include "tests/e2e/agent/agent_process.h"
#include "tests/process_facts.h"
#include "tests/test_cgroup.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

constexpr std::chrono::duration<double> kEndTime(2.0);

// The kernel's numbers of the BPF programs that a process holds.
std::set<std::string> program_ids(pid_t pid) {
  std::set<std::string> ids;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fdinfo")) {
    std::ifstream info(entry.path());
    std::string key;
    std::string value;
    while (info >> key >> value) {
      if (key == "prog_id:") {
        ids.insert(value);
      }
    }
  }
  return ids;
}

TEST(Agent, writes_a_pair_of_files_for_each_session) {
  const TestProgram program({RECURSION, "20"});
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "1", "-f", "99", "-c"}));
  ASSERT_TRUE(place.wait_for_profiles(3));
  EXPECT_EQ(read_file(place.path("agent.pid"), 64).value(), std::to_string(agent.pid()) + "\n");
  const AgentEnd end = end_agent(agent);
  EXPECT_EQ(end.result.status, 0) << end.result.err;
  EXPECT_LT(end.took, kEndTime);
  EXPECT_EQ(end.result.out, "");
  EXPECT_FALSE(std::filesystem::exists(place.path("agent.pid")));

  const auto files = place.read_profiles();
  ASSERT_GE(files.size(), 4U);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto& header = files[i].header;
    EXPECT_TRUE(files[i].adds_up());
    EXPECT_EQ(header["waggle"]["frequency"], 99);
    EXPECT_THAT(header["flamegraph_html"].get<std::string>(), testing::StartsWith("<!"));
    EXPECT_EQ(header["metadata"]["run_arguments"]["profiling_duration"], "1");
    EXPECT_GT(header["metadata"]["processors"], 0);
    EXPECT_TRUE(header["metrics"]["cpu_avg"].is_number()) << header["metrics"].dump();
    if (i + 1 < files.size()) {  // the signal ended the last one, maybe before the program's turn
      EXPECT_GT(files[i].count_of("recursion", "main"), 0U) << i << ", " << header["waggle"];
    }
    if (i > 0) {  // neither a gap nor an overlap
      EXPECT_NEAR(header["waggle"]["start_time"].get<double>(),
                  files[i - 1].header["waggle"]["end_time"].get<double>(), 0.002);
    }
  }
  for (const std::string& path : place.profiles()) {
    EXPECT_TRUE(std::filesystem::exists(path.substr(0, path.size() - 4) + ".html"));
  }
  EXPECT_EQ(place.output() + "/" +
                std::filesystem::read_symlink(place.output() + "/last_profile.col").string(),
            place.profiles().back());
}

TEST(Agent, names_the_containers_of_a_session_in_its_header) {
  const auto hierarchy = TestCgroup::hierarchy(true);
  if (!hierarchy) {
    GTEST_SKIP() << "no cgroup of v2 can be made";
  }
  const std::string id(64, 'c');
  const TestCgroup container(*hierarchy, "docker-" + id + ".scope");
  const TestProgram program({RECURSION, "20"});
  container.take(program.pid());
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "1", "-f", "99", "--disable-container-names"}));
  ASSERT_TRUE(place.wait_for_profiles(1));
  EXPECT_EQ(end_agent(agent).result.status, 0);
  const CollapsedFile file = place.read_profiles().front();
  std::set<std::string> containers;
  for (const CollapsedFile::Line& line : file.lines) {
    containers.insert(line.container);
  }
  containers.erase("");
  EXPECT_THAT(containers, testing::Contains(id));
  EXPECT_EQ(file.header["containers"].get<std::set<std::string>>(), containers);
}

TEST(Agent, ends_within_two_seconds_and_writes_the_session_that_has_begun) {
  const TestProgram program({RECURSION, "20"});
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "60", "-f", "99", "--no-flamegraph"}));
  ASSERT_TRUE(place.wait_for_log("sampling at 99 Hz"));
  const CpuTime busy = cpu_time_of(program.pid()) + std::chrono::milliseconds(400);
  ASSERT_TRUE(wait_until([&] { return cpu_time_of(program.pid()) >= busy; }));
  const AgentEnd end = end_agent(agent);
  EXPECT_EQ(end.result.status, 0) << end.result.err;
  EXPECT_LT(end.took, kEndTime);
  const auto files = place.read_profiles();
  ASSERT_EQ(files.size(), 1U);
  EXPECT_GT(files[0].count_of("recursion", "main"), 20U);
  EXPECT_TRUE(files[0].header["flamegraph_html"].is_null());
}

TEST(Agent, ends_with_its_controller) {
  auto controller = std::make_unique<TestProgram>(Words{RECURSION, "1"});
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "60", "--controller-pid", std::to_string(controller->pid())}));
  ASSERT_TRUE(place.wait_for_log("sampling at 11 Hz"));
  const pid_t pid = controller->pid();
  controller.reset();
  const WaggleResult result = agent.wait();
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("Controller process " + std::to_string(pid) +
                                    " has exited; waggle stopping..."));
  const AgentPlace other;
  const WaggleResult gone = run_waggle(other.words({"--controller-pid", std::to_string(pid)}));
  EXPECT_EQ(gone.status, 1);
  EXPECT_THAT(gone.err, HasSubstr("Controller process " + std::to_string(pid) + " is not running"));
}

TEST(Agent, touches_its_heartbeat_file_each_session) {
  const AgentPlace place;
  const WaggleRun agent(place.words({"-d", "1", "--heartbeat-file", place.path("heartbeat")}));
  ASSERT_TRUE(place.wait_for_profiles(1));
  struct stat first{};
  ASSERT_EQ(::stat(place.path("heartbeat").c_str(), &first), 0);
  EXPECT_EQ(first.st_mode & 0777U, 0644U);
  ASSERT_TRUE(place.wait_for_profiles(3));
  struct stat later{};
  ASSERT_EQ(::stat(place.path("heartbeat").c_str(), &later), 0);
  EXPECT_GT(later.st_mtim.tv_sec, first.st_mtim.tv_sec);
}

TEST(Agent, keeps_a_second_one_from_starting) {
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "60"}));
  ASSERT_TRUE(place.wait_for_log("sampling at"));
  const AgentPlace other;
  std::vector<Words> wrappers = {{}};
  std::error_code hidden;
  if (!std::filesystem::read_symlink("/proc/1/ns/net", hidden).empty()) {
    wrappers.push_back({"unshare", "--net"});  // else the host's namespace cannot be entered
  }
  for (const Words& wrapper : wrappers) {
    const WaggleResult second = run_waggle(other.words({"-d", "60"}), wrapper);
    EXPECT_EQ(second.status, 0);
    EXPECT_THAT(second.err,
                HasSubstr("Could not acquire waggle's lock. Is it already running? Try 'sudo "
                          "netstat -xp | grep waggle"));
  }
  EXPECT_FALSE(std::filesystem::exists(other.path("agent.pid")));
  EXPECT_EQ(end_agent(agent).result.status, 0);
}

TEST(Agent, reads_selection_and_rate_again_on_SIGHUP) {
  const TestProgram first({RECURSION, "20"});
  const TestProgram second({RECURSION, "30"});
  const AgentPlace place;
  const auto settings = [&](pid_t pid, int frequency) {
    place.write("config.ini", "[agent]\npids: " + std::to_string(pid) +
                                  "\nprofiling-frequency = " + std::to_string(frequency) + "\n");
  };
  settings(first.pid(), 99);
  WaggleRun agent(place.words({"-d", "1", "--config", place.path("config.ini")}));
  ASSERT_TRUE(place.wait_for_profiles(2));
  const std::set<std::string> programs = program_ids(agent.pid());
  EXPECT_GT(programs.size(), 3U);

  settings(second.pid(), 300);
  ASSERT_EQ(::kill(agent.pid(), SIGHUP), 0);
  ASSERT_TRUE(place.wait_for_log("sampling at 300 Hz, with the selection that was read again"));
  ASSERT_TRUE(place.wait_for_profiles(place.profiles().size() + 2));
  EXPECT_EQ(program_ids(agent.pid()), programs);

  // What is wrong changes nothing.
  place.write("config.ini", "profiling-frequency = often\n");
  ASSERT_EQ(::kill(agent.pid(), SIGHUP), 0);
  ASSERT_TRUE(place.wait_for_log("config.ini:1: frequency: \"often\" is not a whole number"));

  // The whole host, to which no filter stands in the way.
  place.write("config.ini", "profiling-frequency = 99\n");
  ASSERT_EQ(::kill(agent.pid(), SIGHUP), 0);
  ASSERT_TRUE(place.wait_for_log("sampling at 99 Hz, with the selection that was read again"));
  ASSERT_TRUE(place.wait_for_profiles(place.profiles().size() + 2));
  EXPECT_EQ(program_ids(agent.pid()), programs);
  EXPECT_EQ(end_agent(agent).result.status, 0);

  // Their depths tell the two programs apart.
  const auto has = [](const CollapsedFile& file, std::size_t depth) {
    return std::ranges::any_of(file.lines, [&](const CollapsedFile::Line& line) {
      return static_cast<std::size_t>(std::ranges::count(line.frames, "recurse")) == depth;
    });
  };
  const auto files = place.read_profiles();
  std::set<int> rates;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const int rate = files[i].header["waggle"]["frequency"].get<int>();
    rates.insert(rate);
    if (rate == 99 && i < 2) {
      EXPECT_TRUE(has(files[i], 20) && !has(files[i], 30)) << i;
    }
    if (rate == 300) {
      EXPECT_TRUE(!has(files[i], 20) && has(files[i], 30)) << i;
      EXPECT_TRUE(files[i].adds_up());
    }
  }
  EXPECT_EQ(rates, (std::set<int>{99, 300}));
  const CollapsedFile& whole = files.at(files.size() - 2);  // the last one may be a moment long
  EXPECT_TRUE(has(whole, 20) && has(whole, 30));
}

TEST(Agent, goes_on_where_the_disk_is_full) {
  const AgentPlace place;
  ASSERT_EQ(::mkdir(place.output().c_str(), 0755), 0);
  if (::mount("waggle_test", place.output().c_str(), "tmpfs", 0, "size=4k") != 0) {
    GTEST_SKIP() << "no file system can be mounted here";
  }
  {
    const TestProgram program({RECURSION, "20"});
    WaggleRun agent(place.words({"-d", "1", "-f", "99"}));
    EXPECT_TRUE(place.wait_for_log(
        "No space left on device: the session is lost, continuing with the next"));
    EXPECT_EQ(place.profiles().size(), 0U);
    EXPECT_EQ(::mount("waggle_test", place.output().c_str(), "tmpfs", MS_REMOUNT, "size=16m"), 0);
    EXPECT_TRUE(place.wait_for_profiles(1));
    EXPECT_EQ(end_agent(agent).result.status, 0);
    for (const CollapsedFile& file : place.read_profiles()) {
      EXPECT_TRUE(file.adds_up());
    }
  }
  EXPECT_EQ(::umount(place.output().c_str()), 0);
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream list(task.path() / "children");
    for (pid_t child = 0; list >> child;) {
      children.push_back(child);
    }
  }
  return children;
}

// With tools beside it: perf.
Words with_perf(const AgentPlace& place, const std::string& duration) {
  return place.words(
      {"-d", duration, "-f", "99", "--no-flamegraph", "--engine", "fallback", "--no-python"});
}

TEST(Agent, ends_in_time_though_a_tool_does_not) {
  const AgentPlace place;
  WaggleRun agent(with_perf(place, "60"));
  ASSERT_TRUE(place.wait_for_log("sampling at 99 Hz"));
  const std::vector<pid_t> tools = children_of(agent.pid());
  ASSERT_FALSE(tools.empty());
  for (const pid_t tool : tools) {
    ASSERT_EQ(::kill(tool, SIGSTOP), 0);  // it hears nothing of its end
  }
  const AgentEnd end = end_agent(agent);
  EXPECT_LT(end.took, kEndTime);
  EXPECT_EQ(end.result.status, 0) << end.result.err;
  EXPECT_THAT(end.result.err, HasSubstr("perf record did not end on SIGINT and was killed"));
  EXPECT_EQ(place.profiles().size(), 1U) << "with what it has";
  EXPECT_FALSE(std::filesystem::exists(place.path("agent.pid")));
  for (const pid_t tool : tools) {
    EXPECT_TRUE(wait_until([&] { return !is_running(tool); })) << tool;
  }
}

// A file system that hangs: here the rename of a file that is whole.
TEST(Agent, ends_in_time_though_a_file_does_not) {
  const char* const strace = "/usr/bin/strace";
  if (!std::filesystem::exists(strace)) {
    GTEST_SKIP() << "no strace here (tools/install_packages test)";
  }
  const AgentPlace place;
  WaggleRun agent(with_perf(place, "60"));
  ASSERT_TRUE(place.wait_for_log("sampling at 99 Hz"));
  const TempDir dir;
  const std::string calls = dir.path() + "/calls";
  auto injector = start_tool(Words{strace, "-f", "-p", std::to_string(agent.pid()), "-e",
                                   "trace=rename,epoll_wait", "-e",
                                   "inject=rename:delay_enter=20000000", "-o", calls});
  ASSERT_TRUE(injector) << injector.error().what;
  ASSERT_TRUE(wait_until([&] {
    return std::filesystem::exists(calls) && std::filesystem::file_size(calls) > 0;
  })) << "it waits several times a second";
  ASSERT_EQ(::kill(agent.pid(), SIGTERM), 0);
  EXPECT_TRUE(wait_until(
      [&] { return place.log().find("leaving without it; sessions lost: 1") != std::string::npos; },
      std::chrono::seconds(2)))
      << place.log();
  (void)injector->process.end();  // who is traced ends once it is let go
  EXPECT_EQ(agent.wait().status, 1);
  EXPECT_FALSE(std::filesystem::exists(place.path("agent.pid")));
}

TEST(Agent, goes_on_with_the_next_session_where_a_tool_dies) {
  const TestProgram program({RECURSION, "20"});
  const AgentPlace place;
  WaggleRun agent(with_perf(place, "4"));  // a perf can take two seconds to begin
  ASSERT_TRUE(place.wait_for_log("sampling at 99 Hz"));
  const std::vector<pid_t> tools = children_of(agent.pid());
  ASSERT_FALSE(tools.empty());
  for (const pid_t tool : tools) {
    (void)::kill(tool, SIGKILL);  // those after the first may have gone with it
  }
  ASSERT_TRUE(wait_until([&] { return !is_running(tools.front()); }));
  const std::size_t before = place.profiles().size();
  ASSERT_TRUE(place.wait_for_profiles(before + 2));
  const AgentEnd end = end_agent(agent);
  EXPECT_EQ(end.result.status, 0) << end.result.err;
  EXPECT_LT(end.took, kEndTime);
  EXPECT_GT(place.read_profiles().at(before + 1).count_of("recursion", "main"), 0U);
}

TEST(Agent, keeps_the_last_files_alone_with_rotating_output) {
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "1", "--rotating-output"}));
  ASSERT_TRUE(place.wait_for_profiles(1));
  const std::string first = place.profiles().front();
  ASSERT_TRUE(wait_until([&] { return !std::filesystem::exists(first); }));
  EXPECT_EQ(end_agent(agent).result.status, 0);
  EXPECT_EQ(place.profiles().size(), 1U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(place.output()), {}), 4);
}

TEST(Agent, says_why_it_cannot_start) {
  const AgentPlace place;
  const WaggleResult rootless = run_waggle(place.words({"--rootless"}));
  EXPECT_EQ(rootless.status, 1);
  EXPECT_THAT(rootless.err, HasSubstr("with --rootless"));

  const WaggleResult inside = run_waggle(place.words({}), {"unshare", "--pid", "--fork"});
  EXPECT_EQ(inside.status, 1);
  EXPECT_THAT(inside.err, HasSubstr("--pid=host"));
  EXPECT_THAT(inside.err, HasSubstr("hostPID: true"));
  EXPECT_THAT(inside.err, HasSubstr("\nRerun with --disable-pidns-check"));

  const WaggleResult disabled = run_waggle(place.words({"--mode", "none"}));
  EXPECT_EQ(disabled.status, 1);
  EXPECT_THAT(disabled.err,
              HasSubstr("All profilers are disabled! Please enable at least one of them!"));

  const WaggleResult none = run_waggle(place.words({"--pids", "4194303"}));
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("none of the processes of --pids exists"));
  EXPECT_FALSE(std::filesystem::exists(place.path("agent.pid")));
}

TEST(Agent, refuses_what_is_wrong_before_anything_starts) {
  const AgentPlace place;
  place.write("bad.ini", "# comment\nprofiling-duration = 60\nno-such-thing = 1\n");
  const WaggleResult unknown = run_waggle(place.words({"--config", place.path("bad.ini")}));
  EXPECT_EQ(unknown.status, 2);
  EXPECT_EQ(unknown.err,
            "waggle agent: " + place.path("bad.ini") + ":3: unknown key \"no-such-thing\"\n");
  const WaggleResult output = run_waggle({"agent"});
  EXPECT_EQ(output.status, 2);
  EXPECT_EQ(output.err,
            "waggle agent: Must pass at least one output method (--upload-results / "
            "--output-dir)\n");
  for (const Words& words :
       {Words{"-d", "0"}, Words{"-f", "x"}, Words{"--controller-pid", "0"}, Words{"--lock", ""},
        Words{"--log-rotate-max-size", "1"}, Words{"--mode", "wall"}, Words{"--token", "secret"},
        Words{"--config", "/nowhere/config.ini"}, Words{"stray"}}) {
    const WaggleResult result = run_waggle(place.words(words));
    EXPECT_EQ(result.status, 2) << words.front();
    EXPECT_THAT(result.err, testing::StartsWith("waggle agent: "));
    EXPECT_THAT(result.err, Not(HasSubstr("secret")));
  }
  EXPECT_FALSE(std::filesystem::exists(place.output()));
  EXPECT_FALSE(std::filesystem::exists(place.path("waggle.log")));
}

}  // namespace
}  // namespace waggle
