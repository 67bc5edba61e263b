// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtime_profilers/spawned_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/test_program.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Clock = SpawnedProcesses::Clock;

// A process that is no child of ours, but of a child.
class Grandchild {
 public:
  Grandchild() : shell_({"sh", "-c", "sleep 100 & echo ready; wait"}) {
    const std::string task = std::to_string(shell_.pid());
    std::ifstream("/proc/" + task + "/task/" + task + "/children") >> pid_;
  }
  Grandchild(const Grandchild&) = delete;
  Grandchild& operator=(const Grandchild&) = delete;
  ~Grandchild() { (void)::kill(pid_, SIGKILL); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] pid_t shell() const { return shell_.pid(); }

 private:
  TestProgram shell_;
  pid_t pid_ = 0;
};

TEST(SpawnedProcesses, are_shown_a_few_times_further_and_further_apart) {
  const Grandchild program;
  SpawnedProcesses spawned(seconds(0));
  const Clock::time_point start = Clock::now();
  spawned.add(program.pid(), start);
  std::vector<int> shown_ms;
  for (int ms = 0; ms < 20000; ms += 50) {
    if (!spawned.take_due(start + milliseconds(ms)).empty()) {
      shown_ms.push_back(ms);
    }
  }
  EXPECT_THAT(shown_ms, ElementsAre(0, 100, 300, 700, 1500, 3100, 6300));
}

TEST(SpawnedProcesses, are_shown_once_they_are_old_enough) {
  const Grandchild program;
  SpawnedProcesses spawned(seconds(2));
  spawned.add(program.pid(), Clock::now());
  EXPECT_THAT(spawned.take_due(Clock::now()), IsEmpty());
  std::this_thread::sleep_for(milliseconds(2100));
  EXPECT_THAT(spawned.take_due(Clock::now()), ElementsAre(program.pid()));
}

TEST(SpawnedProcesses, are_no_children_of_ours_and_none_that_are_gone) {
  const Grandchild program;
  const Grandchild ended;
  SpawnedProcesses spawned(seconds(0));
  const Clock::time_point now = Clock::now();
  ASSERT_EQ(::kill(ended.pid(), SIGKILL), 0);
  while (::kill(ended.pid(), 0) == 0) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  for (const pid_t pid : {program.shell(), ended.pid(), ::getpid(), program.pid()}) {
    spawned.add(pid, now);
  }
  EXPECT_THAT(spawned.take_due(now), ElementsAre(program.pid()));
}

TEST(SpawnedProcesses, that_are_too_many_are_counted) {
  SpawnedProcesses spawned(seconds(0));
  const Clock::time_point now = Clock::now();
  constexpr int kFirst = 1 << 30;  // beyond any pid
  for (int i = 0; i < static_cast<int>(SpawnedProcesses::kMaxWaiting) + 3; ++i) {
    spawned.add(kFirst + i, now);
  }
  spawned.add(kFirst, now);  // again
  EXPECT_EQ(spawned.dropped(), 3U);
  EXPECT_THAT(spawned.take_due(now), IsEmpty());
  spawned.add(kFirst, now);
  EXPECT_EQ(spawned.dropped(), 3U);
}

}  // namespace
}  // namespace waggle
