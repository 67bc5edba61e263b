// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/process_exit.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace waggle {
namespace {

// Before that nobody is told once the parent has waited.
bool tells_all() {
  utsname host{};
  int major = 0;
  int minor = 0;
  return ::uname(&host) == 0 && std::sscanf(host.release, "%d.%d", &major, &minor) == 2 &&
         (major > 6 || (major == 6 && minor >= 15));
}

void expect_end(int signal) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    ::pause();
    ::_exit(1);
  }
  const auto exit = ProcessExit::watch(pid);
  ASSERT_TRUE(exit) << exit.error().what;
  EXPECT_FALSE(exit->find_status());
  ASSERT_EQ(::kill(pid, signal), 0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  const auto of_zombie = exit->find_status();
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(of_zombie, status);
  if (tells_all()) {
    EXPECT_EQ(exit->find_status(), status);
  } else {
    EXPECT_FALSE(exit->find_status());
  }
}

TEST(ProcessExit, is_told_before_and_after_its_parent_has_waited) {
  expect_end(SIGKILL);
  expect_end(SIGTERM);
}

TEST(ProcessExit, is_not_of_one_that_is_gone) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_FALSE(ProcessExit::watch(pid));
}

}  // namespace
}  // namespace waggle
