// SPDX-License-Identifier: Apache-2.0
// Many sessions in one run: what an agent holds does not grow, and its clock does not drift.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "tests/e2e/agent/agent_process.h"
#include "tests/process_facts.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

constexpr std::size_t kFirst = 5;

struct Holdings {
  std::vector<std::string> descriptors;  // what they are
  std::size_t threads;
  std::string children;
  std::size_t rss_kib;

  // That stay: one that ends a session's tools lives for milliseconds.
  static std::size_t threads_of(const std::string& proc) {
    std::size_t least = SIZE_MAX;
    for (int i = 0; i < 20; ++i) {
      const auto count = std::distance(std::filesystem::directory_iterator(proc + "/task"), {});
      least = std::min(least, static_cast<std::size_t>(count));
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return least;
  }

  static Holdings of(pid_t pid) {
    const std::string proc = "/proc/" + std::to_string(pid);
    const std::string status = read_file(proc + "/status", 65536).value();
    const std::size_t rss = status.find("VmRSS:");
    std::string children;
    std::ifstream(proc + "/task/" + std::to_string(pid) + "/children") >> children;
    std::vector<std::string> descriptors;
    for (const auto& [number, target] : open_descriptors(pid)) {
      descriptors.push_back(target);
    }
    std::ranges::sort(descriptors);
    return {.descriptors = std::move(descriptors),
            .threads = threads_of(proc),
            .children = children,
            .rss_kib = std::stoul(status.substr(rss + 6))};
  }
};

TEST(AgentLife, sessions_leave_nothing_and_begin_when_they_should) {
  const TestProgram program({RECURSION, "20"});
  // In the kernel as a rule: its names are read before the fifth session ends.
  const TestProgram caller(
      {"/bin/sh", "-c", "echo ready; exec dd if=/dev/zero of=/dev/null bs=64k"});
  const AgentPlace place;
  // Of the whole host, what others begin to run meanwhile would bring its tables and names.
  WaggleRun agent(
      place.words({"-d", "1", "-f", "99", "--no-flamegraph", "--pids",
                   std::to_string(program.pid()) + "," + std::to_string(caller.pid())}));
  ASSERT_TRUE(place.wait_for_profiles(kFirst));
  const Holdings early = Holdings::of(agent.pid());
  ASSERT_TRUE(place.wait_for_profiles(SESSIONS, std::chrono::seconds(SESSIONS + 30)));
  const Holdings late = Holdings::of(agent.pid());
  EXPECT_EQ(end_agent(agent).result.status, 0);

  EXPECT_THAT(late.descriptors, testing::ElementsAreArray(early.descriptors));
  EXPECT_EQ(late.threads, early.threads);
  EXPECT_EQ(late.children, early.children);
  EXPECT_LE(static_cast<double>(late.rss_kib), static_cast<double>(early.rss_kib) * 1.05);
  std::cout << "RSS " << early.rss_kib << " KiB after " << kFirst << " sessions, " << late.rss_kib
            << " after " << SESSIONS << "\n";

  const auto files = place.read_profiles();
  ASSERT_GE(files.size(), std::size_t{SESSIONS});
  const double start = files[0].header["waggle"]["start_time"].get<double>();
  double latest = 0;
  for (std::size_t i = 0; i < SESSIONS; ++i) {
    const double due = start + static_cast<double>(i);
    const double begun = files[i].header["waggle"]["start_time"].get<double>();
    EXPECT_NEAR(begun, due, 0.05) << i;
    EXPECT_TRUE(files[i].adds_up()) << i;
    latest = std::max(latest, begun - due);
  }
  std::cout << "latest start " << latest * 1000 << " ms after it was due\n";
}

}  // namespace
}  // namespace waggle
