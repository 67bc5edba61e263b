// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/kernel_log.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/file.h"

namespace waggle {
namespace {

using Cause = KernelDeath::Cause;

TEST(KernelDeath, is_found_in_what_the_kernel_says) {
  struct Case {
    const char* text;
    Cause cause;
    pid_t pid;
  };
  for (const Case& each : {
           Case{"Out of memory: Killed process 123 (java) total-vm:1kB", Cause::out_of_memory, 123},
           Case{"Memory cgroup out of memory: Killed process 7 (a b), UID 0", Cause::out_of_memory,
                7},
           Case{"Memory cgroup out of memory: Kill process 99 (java) score 1000",
                Cause::out_of_memory, 99},
           Case{"java[42]: segfault at 0 ip 00007f sp 00007f error 4", Cause::signal, 42},
           Case{"my[1] x[43]: segfault at 10 ip 0", Cause::signal, 43},
           Case{"traps: java[44] general protection fault ip:7f sp:7f error:0 in libc.so[7f+1]",
                Cause::signal, 44},
           Case{"traps: C2 Thread[45] trap invalid opcode ip:7f sp:7f error:0", Cause::signal, 45},
       }) {
    const auto death = parse_kernel_death(each.text);
    ASSERT_TRUE(death) << each.text;
    EXPECT_EQ(death->cause, each.cause) << each.text;
    EXPECT_EQ(death->pid, each.pid) << each.text;
  }
  for (const char* text :
       {"", "Out of memory: Killed process java", "Out of memory: Kill", "java: segfault at 0",
        "java[x]: segfault at 0", "traps: java 44", "traps: ", "usb 1-1: new device number 44",
        "]: segfault at ", "Out of memory: Killed process 99999999999 (x)"}) {
    EXPECT_FALSE(parse_kernel_death(text)) << text;
  }
}

TEST(KernelDeath, is_not_looked_for_in_longer_numbers) {
  EXPECT_TRUE(mentions_pid("process 12 is odd", 12));
  EXPECT_TRUE(mentions_pid("12", 12));
  EXPECT_TRUE(mentions_pid("512 and java[12]", 12));
  EXPECT_FALSE(mentions_pid("112 123 0120", 12));
  EXPECT_FALSE(mentions_pid("", 12));
}

TEST(KernelLog, tells_what_is_new) {
  auto log = KernelLog::open();
  const UniqueFd pen(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
  if (!log || !pen.is_open()) {
    GTEST_SKIP() << "the kernel's log is not to be had here";
  }
  const std::string mine = fmt::format("waggle kernel_log_test {}", ::getpid());
  ASSERT_TRUE(write_all(pen.get(), mine + "\n"));
  std::vector<std::string> texts;
  log->take([&](std::string_view text) { texts.emplace_back(text); });
  EXPECT_THAT(texts, testing::Contains(mine));
  texts.clear();
  log->take([&](std::string_view text) { texts.emplace_back(text); });
  EXPECT_THAT(texts, testing::Not(testing::Contains(mine)));
}

}  // namespace
}  // namespace waggle
