// SPDX-License-Identifier: Apache-2.0
#include "base/held_command.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "tests/process_facts.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

int exit_code(HeldCommand& command) {
  EXPECT_TRUE(command.wait_for(10s));
  const int status = command.poll_exit().value_or(-1);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(HeldCommand, runs_nothing_before_its_release) {
  const TempDir dir;
  const std::string mark = dir.path() + "/mark";
  auto command = HeldCommand::fork(Words{"sh", "-c", "echo $PPID > " + mark});
  ASSERT_TRUE(command) << command.error().what;
  EXPECT_FALSE(command->wait_for(100ms));
  EXPECT_FALSE(std::filesystem::exists(mark));
  const auto released = command->release();
  ASSERT_TRUE(released) << released.error().what;
  EXPECT_EQ(exit_code(*command), 0);
  EXPECT_EQ(read_file(mark, 100).value(), std::to_string(::getpid()) + "\n");
}

TEST(HeldCommand, keeps_its_pid_group_and_descriptors_through_exec) {
  const TempDir dir;
  const std::string mark = dir.path() + "/mark";
  auto command =
      HeldCommand::fork(Words{"sh", "-c", "out=$(readlink /proc/$$/fd/1); echo $$ $out > " + mark});
  ASSERT_TRUE(command) << command.error().what;
  const pid_t pid = command->pid();
  EXPECT_EQ(::getpgid(pid), ::getpgid(0));
  ASSERT_TRUE(command->release());
  EXPECT_EQ(exit_code(*command), 0);
  const std::string text = read_file(mark, 1000).value();
  const std::string our_stdout = std::filesystem::read_symlink("/proc/self/fd/1");
  EXPECT_EQ(text, std::to_string(pid) + " " + our_stdout + "\n");
}

TEST(HeldCommand, gives_status_and_signal) {
  auto command = HeldCommand::fork(Words{"sh", "-c", "exit 7"});
  ASSERT_TRUE(command) << command.error().what;
  ASSERT_TRUE(command->release());
  EXPECT_EQ(exit_code(*command), 7);

  auto sleeper = HeldCommand::fork(Words{"sleep", "600"});
  ASSERT_TRUE(sleeper) << sleeper.error().what;
  ASSERT_TRUE(sleeper->release());
  ASSERT_TRUE(sleeper->send_signal(SIGTERM));
  ASSERT_TRUE(sleeper->wait_for(10s));
  const int status = sleeper->poll_exit().value_or(0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(HeldCommand, gets_signals_that_we_block) {
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  auto command =
      HeldCommand::fork(Words{"grep", "-q", "SigBlk:.0000000000000000", "/proc/self/status"});
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(command) << command.error().what;
  ASSERT_TRUE(command->release());
  EXPECT_EQ(exit_code(*command), 0);
}

TEST(HeldCommand, names_a_command_that_cannot_be_run) {
  auto missing = HeldCommand::fork(Words{"no-such-command\x1b"});
  ASSERT_TRUE(missing) << missing.error().what;
  const auto released = missing->release();
  ASSERT_FALSE(released);
  EXPECT_EQ(released.error().what, "no-such-command?: No such file or directory");
  EXPECT_EQ(released.error().code, Errc::not_found);

  auto directory = HeldCommand::fork(Words{"/tmp"});
  ASSERT_TRUE(directory) << directory.error().what;
  EXPECT_EQ(directory->release().error().what, "/tmp: Permission denied");
}

TEST(HeldCommand, fails_to_release_what_was_killed_before) {
  auto command = HeldCommand::fork(Words{"true"});
  ASSERT_TRUE(command) << command.error().what;
  ASSERT_TRUE(command->send_signal(SIGKILL));
  ASSERT_TRUE(command->wait_for(10s));
  const auto released = command->release();
  ASSERT_FALSE(released);
  EXPECT_TRUE(released.error().what.starts_with("true: ")) << released.error().what;
}

TEST(HeldCommand, never_runs_when_its_owner_goes_first) {
  const TempDir dir;
  const std::string mark = dir.path() + "/mark";
  pid_t pid = 0;
  {
    const auto command = HeldCommand::fork(Words{"touch", mark});
    ASSERT_TRUE(command) << command.error().what;
    pid = command->pid();
  }
  EXPECT_EQ(process_state(pid), '\0');
  EXPECT_FALSE(std::filesystem::exists(mark));
}

TEST(HeldCommand, goes_on_without_its_owner_once_released) {
  pid_t pid = 0;
  {
    auto command = HeldCommand::fork(Words{"sleep", "600"});
    ASSERT_TRUE(command) << command.error().what;
    pid = command->pid();
    ASSERT_TRUE(command->release());
  }
  EXPECT_TRUE(is_running(pid));
  ::kill(pid, SIGKILL);
  EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
}

TEST(HeldCommand, leaves_no_descriptor_behind) {
  const auto before = open_descriptors();
  for (int i = 0; i < 200; ++i) {
    auto command = HeldCommand::fork(Words{i % 2 == 0 ? "true" : "no-such-command"});
    ASSERT_TRUE(command) << command.error().what;
    EXPECT_EQ(command->release().has_value(), i % 2 == 0);
    ASSERT_TRUE(command->wait_for(10s));
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(zombie_count(), 0);
}

}  // namespace
}  // namespace waggle
