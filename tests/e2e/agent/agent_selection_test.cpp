// SPDX-License-Identifier: Apache-2.0
// Who is sampled by an agent that nobody tells anything, while cgroups come and go.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/cri_runtime.h"
#include "tests/e2e/agent/agent_process.h"
#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "tests/wait_until.h"

namespace waggle {
namespace {

class AgentSelection : public testing::Test {
 protected:
  void SetUp() override {
    hierarchy_ = TestCgroup::hierarchy(true);
    if (!hierarchy_) {
      GTEST_SKIP() << "no cgroup of v2 can be made here";
    }
  }
  [[nodiscard]] std::unique_ptr<TestCgroup> make(const std::string& name) const {
    return std::make_unique<TestCgroup>(*hierarchy_, name);
  }

  std::optional<CgroupHierarchy> hierarchy_;
};

// The sessions that came to their end before now, one more behind them.
std::size_t sessions_so_far(const AgentPlace& place) {
  const std::size_t count = place.profiles().size();
  EXPECT_TRUE(place.wait_for_profiles(count + 1));
  return count + 1;
}

std::set<std::string> containers_of(const CollapsedFile& file) {
  std::set<std::string> containers;
  for (const CollapsedFile::Line& line : file.lines) {
    containers.insert(line.container);
  }
  return containers;
}

TEST_F(AgentSelection, follows_the_busiest_container_from_session_to_session) {
  const std::string first_id = "a9e7" + std::string(60, '1');
  const std::string second_id = "a9e7" + std::string(60, '2');
  const auto first_cgroup = make("docker-" + first_id + ".scope");
  const auto second_cgroup = make("docker-" + second_id + ".scope");
  const TestProgram first({RECURSION, "10"});
  const TestProgram second({RECURSION, "10"});
  first_cgroup->take(first.pid());
  second_cgroup->take(second.pid());
  ASSERT_EQ(::kill(second.pid(), SIGSTOP), 0);

  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "1", "-f", "199", "--perf-use-cgroups", "--perf-max-cgroups",
                               "0", "--perf-max-docker-containers", "1"}));
  ASSERT_TRUE(place.wait_for_profiles(2));
  ASSERT_EQ(::kill(first.pid(), SIGSTOP), 0);
  ASSERT_EQ(::kill(second.pid(), SIGCONT), 0);
  // One that saw the change, one that is ranked by it, and the one that it chose for.
  const std::size_t change = sessions_so_far(place);
  ASSERT_TRUE(place.wait_for_profiles(change + 3));
  EXPECT_EQ(end_agent(agent).result.status, 0);

  const auto files = place.read_profiles();
  EXPECT_EQ(containers_of(files[0]), std::set<std::string>{first_id});
  EXPECT_EQ(containers_of(files[1]), std::set<std::string>{first_id});
  EXPECT_EQ(containers_of(files[change + 2]), std::set<std::string>{second_id});
  EXPECT_GT(files[change + 2].count_of("recursion", ";main;recurse"), 0U);
  for (const CollapsedFile& file : files) {
    EXPECT_TRUE(file.adds_up());
  }
}

TEST_F(AgentSelection, takes_a_cgroup_that_is_made_later_where_a_glob_names_it) {
  const auto earlier = make("waggle_glob_1");
  const TestProgram program({RECURSION, "10"});
  const AgentPlace place;
  WaggleRun agent(place.words({"-d", "1", "-f", "199", "--cgroup", "/waggle_glob_*"}));
  ASSERT_TRUE(place.wait_for_profiles(1));
  const auto later = make("waggle_glob_2");
  later->take(program.pid());
  const std::size_t change = sessions_so_far(place);
  ASSERT_TRUE(place.wait_for_profiles(change + 2));
  EXPECT_EQ(end_agent(agent).result.status, 0);

  const auto files = place.read_profiles();
  EXPECT_EQ(files[0].total(), 0U);
  EXPECT_GT(files[change + 1].count_of("recursion", ";main;recurse"), 0U);
  EXPECT_EQ(files[change + 1].count_of("recursion"), files[change + 1].total());
}

// As when a pod is replaced.
TEST_F(AgentSelection, follows_a_name_to_the_container_that_has_it_now) {
  const std::string first_id = "a9e7" + std::string(60, '4');
  const std::string second_id = "a9e7" + std::string(60, '5');
  const auto first_cgroup = make("cri-containerd-" + first_id + ".scope");
  const auto second_cgroup = make("cri-containerd-" + second_id + ".scope");
  const TestProgram first({RECURSION, "10"});
  const TestProgram second({RECURSION, "10"});
  first_cgroup->take(first.pid());
  second_cgroup->take(second.pid());
  const AgentPlace place;
  const std::string socket = place.path("cri.sock");
  const std::string next_socket = place.path("next.sock");
  const auto runtime = start_cri_runtime(socket, "ok", {first_id + "=front,web-1,shop,5f,0"});
  const auto next = start_cri_runtime(next_socket, "ok", {second_id + "=front,web-2,shop,60,0"});
  if (runtime == nullptr || next == nullptr) {
    GTEST_SKIP() << "python3-h2 is not installed";
  }

  WaggleRun agent(
      place.words({"-d", "1", "-f", "199", "--container", "front", "--cri-socket", socket}));
  ASSERT_TRUE(place.wait_for_profiles(1));
  ASSERT_EQ(::rename(next_socket.c_str(), socket.c_str()), 0);
  const std::size_t change = sessions_so_far(place);
  ASSERT_TRUE(place.wait_for_profiles(change + 2));
  EXPECT_EQ(end_agent(agent).result.status, 0);

  const auto files = place.read_profiles();
  EXPECT_EQ(containers_of(files[0]), std::set<std::string>{"k8s_front_web-1_shop_5f_0"});
  EXPECT_EQ(containers_of(files[change + 1]), std::set<std::string>{"k8s_front_web-2_shop_60_0"});
}

TEST_F(AgentSelection, keeps_the_name_of_a_container_whose_runtime_is_gone) {
  const std::string id = "a9e7" + std::string(60, '3');
  const auto cgroup = make("cri-containerd-" + id + ".scope");
  const TestProgram program({RECURSION, "10"});
  cgroup->take(program.pid());
  const AgentPlace place;
  const std::string socket = place.path("cri.sock");
  auto runtime = start_cri_runtime(socket, "ok", {id + "=front,web-1,shop,5f-1,3"});
  if (runtime == nullptr) {
    GTEST_SKIP() << "python3-h2 is not installed";
  }
  WaggleRun agent(place.words(
      {"-d", "1", "-f", "199", "--cri-socket", socket, "-p", std::to_string(program.pid())}));
  EXPECT_EQ(runtime->read_line(), id);
  ASSERT_TRUE(place.wait_for_profiles(1));  // it has answered, not only heard
  runtime.reset();
  ASSERT_TRUE(place.wait_for_profiles(4));
  EXPECT_EQ(end_agent(agent).result.status, 0);

  for (const CollapsedFile& file : place.read_profiles()) {
    EXPECT_EQ(containers_of(file), std::set<std::string>{"k8s_front_web-1_shop_5f-1_3"});
  }
}

std::vector<double> starts_of(const std::vector<CollapsedFile>& files) {
  std::vector<double> starts;
  for (const CollapsedFile& file : files) {
    starts.push_back(file.header["waggle"]["start_time"].get<double>());
  }
  return starts;
}

// From one session's start to the next's, the longest.
double longest_step(const std::vector<double>& starts) {
  double longest = 0;
  for (std::size_t i = 1; i < starts.size(); ++i) {
    longest = std::max(longest, starts[i] - starts[i - 1]);
  }
  return longest;
}

// The name of a container is asked for each session anew.
TEST_F(AgentSelection, starts_sessions_on_time_beside_runtimes_that_hang) {
  const std::string id = "a9e7" + std::string(60, '6');
  const auto cgroup = make("docker-" + id + ".scope");
  const TestProgram program({RECURSION, "10"});
  cgroup->take(program.pid());
  const AgentPlace place;
  std::vector<std::string> words = {"-d", "1", "-f", "199", "--container", "front"};
  std::vector<std::unique_ptr<TestProgram>> runtimes;
  for (const std::string name : {"a.sock", "b.sock", "c.sock"}) {
    const std::string known = name == "c.sock" ? id + "=front" : "00=other";
    place.write(name + ".awake", "");
    runtimes.push_back(std::make_unique<TestProgram>(
        std::vector<std::string>{"python3", CONTAINER_RUNTIME, place.path(name), "wake", known}));
    words.insert(words.end(), {"--container-socket", place.path(name)});
  }
  WaggleRun agent(place.words(words));
  ASSERT_TRUE(place.wait_for_profiles(2));
  for (const std::string name : {"a.sock", "b.sock", "c.sock"}) {
    ASSERT_EQ(::unlink(place.path(name + ".awake").c_str()), 0);
  }
  ASSERT_TRUE(place.wait_for_profiles(7));
  const AgentEnd end = end_agent(agent);
  EXPECT_EQ(end.result.status, 0) << end.result.err;
  EXPECT_LT(end.took.count(), 2.0);

  const auto files = place.read_profiles();
  EXPECT_LT(longest_step(starts_of(files)), 1.5);
  for (const CollapsedFile& file : files) {
    EXPECT_EQ(file.count_of("recursion"), file.total());
  }
  const std::string log = place.log();
  const std::string told = "continuing with the selection as it was until it is\n";
  EXPECT_NE(log.find(told), std::string::npos);
  EXPECT_EQ(log.find(told), log.rfind(told));
}

TEST_F(AgentSelection, starts_sessions_on_time_while_what_is_excluded_from_a_ranking_changes) {
  const auto first = make("waggle_out_1");
  const TestProgram program({RECURSION, "10"});
  const auto busy = make("waggle_busy");
  busy->take(program.pid());
  const AgentPlace place;
  WaggleRun agent(place.words(
      {"-d", "1", "-f", "199", "--perf-use-cgroups", "--cgroup-exclude", "/waggle_out_*"}));
  std::vector<std::unique_ptr<TestCgroup>> others;
  for (std::size_t count = 2; count < 6; ++count) {
    ASSERT_TRUE(place.wait_for_profiles(count));
    others.push_back(make("waggle_out_" + std::to_string(count)));
  }
  EXPECT_EQ(end_agent(agent).result.status, 0);
  EXPECT_LT(longest_step(starts_of(place.read_profiles())), 1.25);
}

TEST_F(AgentSelection, is_read_again_on_SIGHUP) {
  const std::string id = "a9e7" + std::string(60, '7');
  const auto first = make("waggle_again");
  const auto second = make("docker-" + id + ".scope");
  const TestProgram in_first({RECURSION, "10"});
  const TestProgram in_second({RECURSION, "20"});
  const TestProgram other({"sh", "-c", "echo ready; while :; do :; done"});
  first->take(in_first.pid());
  second->take(in_second.pid());
  const AgentPlace place;
  place.write("config.ini", "cgroup = /waggle_again\n");
  WaggleRun agent(place.words({"-d", "1", "-f", "199", "--config", place.path("config.ini")}));
  ASSERT_TRUE(place.wait_for_profiles(2));
  const std::string done = "with the selection that was read again";
  // The first whole session with these settings.
  const auto next = [&](const std::string& settings) {
    place.write("config.ini", settings);
    const std::size_t end = place.log().size();
    EXPECT_EQ(::kill(agent.pid(), SIGHUP), 0);
    EXPECT_TRUE(wait_until([&] { return place.log().find(done, end) != std::string::npos; }));
    EXPECT_TRUE(place.wait_for_profiles(place.profiles().size() + 2));
    const auto files = place.read_profiles();
    return files.back();
  };
  const auto has = [](const CollapsedFile& file, std::size_t depth) {
    return std::ranges::any_of(file.lines, [&](const CollapsedFile::Line& line) {
      return static_cast<std::size_t>(std::ranges::count(line.frames, "recurse")) == depth;
    });
  };
  const CollapsedFile of_container = next("container = " + id.substr(0, 8) + "\n");
  EXPECT_TRUE(!has(of_container, 10) && has(of_container, 20));
  EXPECT_EQ(of_container.count_of("recursion"), of_container.total());
  const CollapsedFile of_name = next("comm = recursion\ncgroup-exclude = /waggle_again\n");
  EXPECT_TRUE(!has(of_name, 10) && has(of_name, 20));
  EXPECT_EQ(of_name.count_of("sh"), 0U);
  const CollapsedFile of_cgroup = next("cgroup = /waggle_again\n");
  EXPECT_TRUE(has(of_cgroup, 10) && !has(of_cgroup, 20));
  // What is nothing on this host changes nothing.
  place.write("config.ini", "cgroup = /waggle_nowhere\n");
  ASSERT_EQ(::kill(agent.pid(), SIGHUP), 0);
  EXPECT_TRUE(place.wait_for_log("continuing with the selection as it was"));
  EXPECT_EQ(end_agent(agent).result.status, 0);
}

}  // namespace
}  // namespace waggle
