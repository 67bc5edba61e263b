// SPDX-License-Identifier: Apache-2.0
#include "base/subprocess.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "tests/process_facts.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::HasSubstr;

constexpr ToolLimits kLimits = {.deadline = 20s, .output_bytes = 65536};

Result<ToolRun> run_shell(const std::string& script, const ToolLimits& limits = kLimits) {
  return run_tool(std::vector<std::string>{"/bin/sh", "-c", script}, limits);
}

template <class Condition>
bool comes_true(Condition condition) {
  const auto deadline = steady_clock::now() + 10s;
  while (!condition()) {
    if (steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

TEST(RunTool, gives_both_outputs_and_the_exit_code) {
  const auto run = run_shell("echo out; echo err >&2; exit 3");
  ASSERT_TRUE(run) << run.error().what;
  EXPECT_EQ(run->output, "out\nerr\n");
  EXPECT_EQ(run->end, ToolRun::End::exited);
  ASSERT_TRUE(WIFEXITED(run->wait_status));
  EXPECT_EQ(WEXITSTATUS(run->wait_status), 3);
  EXPECT_FALSE(run->is_ok());
  EXPECT_TRUE(run_shell("exit 0")->is_ok());
}

TEST(RunTool, tells_the_signal_that_ended_it) {
  const auto run = run_shell("kill -SEGV $$");
  ASSERT_TRUE(run) << run.error().what;
  EXPECT_EQ(run->end, ToolRun::End::exited);
  ASSERT_TRUE(WIFSIGNALED(run->wait_status));
  EXPECT_EQ(WTERMSIG(run->wait_status), SIGSEGV);
}

TEST(RunTool, names_what_it_cannot_run) {
  const auto missing = run_tool(std::vector<std::string>{"/nonexistent/tool"}, kLimits);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().what, "/nonexistent/tool: No such file or directory");
  EXPECT_EQ(missing.error().code, Errc::not_found);
  const auto directory = run_tool(std::vector<std::string>{"/tmp"}, kLimits);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().what, "/tmp: Permission denied");
}

TEST(RunTool, ends_a_whole_tree_at_the_deadline) {
  const TempDir dir;
  const std::string pid_file = dir.path() + "/pids";
  const auto start = steady_clock::now();
  // A child that ignores SIGTERM, a grandchild that holds the pipe.
  const auto run =
      run_shell("trap '' TERM; (sh -c 'echo $$ >> " + pid_file + "; sleep 600; :') & echo $$ >> " +
                    pid_file + "; echo started; wait",
                {.deadline = 500ms, .output_bytes = 65536});
  const auto taken = steady_clock::now() - start;
  ASSERT_TRUE(run) << run.error().what;
  EXPECT_EQ(run->end, ToolRun::End::past_deadline);
  EXPECT_EQ(run->output, "started\n");
  EXPECT_GE(taken, 500ms);
  EXPECT_LT(taken, 5s);
  ASSERT_TRUE(WIFSIGNALED(run->wait_status));
  EXPECT_EQ(WTERMSIG(run->wait_status), SIGKILL);
  const std::string pids = read_file(pid_file, 1000).value();
  int count = 0;
  for (const std::string_view line : split(pids, '\n')) {
    if (const auto pid = parse_number<pid_t>(line)) {
      ++count;
      EXPECT_TRUE(comes_true([&] { return !is_running(*pid); })) << *pid;
    }
  }
  EXPECT_EQ(count, 2);
}

TEST(RunTool, waits_for_no_grandchild_that_holds_its_output) {
  const auto start = steady_clock::now();
  const auto run = run_shell("sleep 600 & echo $!");
  ASSERT_TRUE(run) << run.error().what;
  EXPECT_TRUE(run->is_ok());
  EXPECT_LT(steady_clock::now() - start, 10s);
  const auto grandchild =
      parse_number<pid_t>(std::string_view(run->output).substr(0, run->output.find('\n')));
  ASSERT_TRUE(grandchild) << run->output;
  EXPECT_TRUE(comes_true([&] { return !is_running(*grandchild); }));
}

TEST(RunTool, keeps_no_more_output_than_the_limit) {
  const auto run =
      run_shell("while :; do echo 0123456789; done", {.deadline = 20s, .output_bytes = 100'000});
  ASSERT_TRUE(run) << run.error().what;
  EXPECT_EQ(run->end, ToolRun::End::past_output_limit);
  EXPECT_EQ(run->output.size(), 100'000U);
}

TEST(RunTool, takes_output_larger_than_a_pipe) {
  const auto run =
      run_shell("head -c 1000000 /dev/zero", {.deadline = 20s, .output_bytes = 2 << 20});
  ASSERT_TRUE(run) << run.error().what;
  EXPECT_TRUE(run->is_ok());
  EXPECT_EQ(run->output.size(), 1'000'000U);
}

TEST(RunTool, gives_a_small_environment_and_an_empty_stdin) {
  ::setenv("WAGGLE_TEST_SECRET", "hidden", 1);
  const auto run = run_tool(std::vector<std::string>{"/usr/bin/env"}, kLimits);
  ::unsetenv("WAGGLE_TEST_SECRET");
  ASSERT_TRUE(run) << run.error().what;
  for (const std::string_view line : split(run->output, '\n')) {
    EXPECT_TRUE(line.empty() || line.starts_with("PATH=") || line.starts_with("HOME=") ||
                line.starts_with("LANG="))
        << line;
  }
  EXPECT_THAT(run->output, HasSubstr("PATH="));
  EXPECT_EQ(run_shell("cat; echo end")->output, "end\n");
}

TEST(RunTool, runs_no_shell) {
  const auto run = run_tool(std::vector<std::string>{"/bin/echo", "$HOME; exit 1", "*"}, kLimits);
  ASSERT_TRUE(run) << run.error().what;
  EXPECT_EQ(run->output, "$HOME; exit 1 *\n");
}

TEST(RunTool, hands_down_three_descriptors_and_no_signal_mask) {
  const int leaky = ::open("/dev/null", O_RDONLY);  // as a library without O_CLOEXEC would
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  const auto run = run_shell("ls /proc/$$/fd; grep SigBlk /proc/self/status");
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ::close(leaky);
  ASSERT_TRUE(run) << run.error().what;
  const auto lines = split(run->output, '\n');
  ASSERT_GE(lines.size(), 4U) << run->output;
  EXPECT_EQ(lines[0], "0");
  EXPECT_EQ(lines[1], "1");
  EXPECT_EQ(lines[2], "2");
  EXPECT_EQ(lines[3], "SigBlk:\t0000000000000000");
}

TEST(RunTool, leaves_no_descriptor_and_no_zombie_after_200_runs) {
  (void)run_shell(":");
  const auto before = open_descriptors();
  for (int i = 0; i < 200; ++i) {
    switch (i % 3) {
      case 0:
        ASSERT_TRUE(run_tool(std::vector<std::string>{"/bin/true"}, kLimits));
        break;
      case 1:
        ASSERT_FALSE(run_tool(std::vector<std::string>{"/nonexistent"}, kLimits));
        break;
      default:
        ASSERT_TRUE(run_tool(std::vector<std::string>{"/bin/sleep", "600"},
                             {.deadline = 1ms, .output_bytes = 1}));
    }
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(zombie_count(), 0);
}

TEST(RunTool, works_when_our_parent_made_us_ignore_sigchld) {
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  const auto run = run_shell("exit 5");
  ::signal(SIGCHLD, before);
  ASSERT_TRUE(run) << run.error().what;
  EXPECT_EQ(WEXITSTATUS(run->wait_status), 5);
}

TEST(StartTool, dies_with_its_owner_and_not_before) {
  pid_t pid = 0;
  {
    const auto tool = start_tool(std::vector<std::string>{"/bin/sleep", "600"});
    ASSERT_TRUE(tool) << tool.error().what;
    pid = tool->process.pid();
    EXPECT_TRUE(is_running(pid));
    EXPECT_EQ(::getsid(pid), pid);
    EXPECT_EQ(::getpgid(pid), pid);
  }
  EXPECT_EQ(process_state(pid), '\0');  // waited for
}

TEST(StartTool, dies_when_we_are_killed) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t owner = ::fork();
  if (owner == 0) {
    const auto tool = start_tool(std::vector<std::string>{"/bin/sleep", "600"});
    const pid_t pid = tool ? tool->process.pid() : 0;
    (void)!::write(write_end.get(), &pid, sizeof(pid));
    ::pause();
    ::_exit(0);
  }
  write_end.reset();
  pid_t tool = 0;
  ASSERT_EQ(::read(read_end.get(), &tool, sizeof(tool)), static_cast<ssize_t>(sizeof(tool)));
  ASSERT_GT(tool, 0);
  EXPECT_TRUE(is_running(tool));
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  EXPECT_TRUE(comes_true([&] { return !is_running(tool); }));
}

TEST(ChildProcess, signals_no_stranger_once_it_ended) {
  auto tool = start_tool(std::vector<std::string>{"/bin/true"});
  ASSERT_TRUE(tool) << tool.error().what;
  ASSERT_TRUE(tool->process.wait_for(10s));
  EXPECT_EQ(tool->process.poll_exit(), 0);
  const auto sent = tool->process.send_signal(SIGKILL);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, Errc::not_found);
}

TEST(ChildProcess, waits_no_longer_than_asked) {
  auto tool = start_tool(std::vector<std::string>{"/bin/sleep", "600"});
  ASSERT_TRUE(tool) << tool.error().what;
  const auto start = steady_clock::now();
  EXPECT_FALSE(tool->process.wait_for(50ms));
  EXPECT_GE(steady_clock::now() - start, 50ms);
  EXPECT_LT(steady_clock::now() - start, 5s);
}

}  // namespace
}  // namespace waggle
