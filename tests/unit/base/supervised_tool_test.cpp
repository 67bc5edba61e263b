// SPDX-License-Identifier: Apache-2.0
#include "base/supervised_tool.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "tests/process_facts.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::EndsWith;
using testing::HasSubstr;

// From now on, for this process and those that it starts: ENOSYS.
bool refuse_system_call(std::uint32_t number) {
  auto filter = std::to_array<sock_filter>({
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  });
  const sock_fprog program = {.len = filter.size(), .filter = filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// A shell script under supervision, what it printed beside it.
class Script {
 public:
  explicit Script(const std::string& text, ToolOptions options = {}) {
    auto tool =
        SupervisedTool::start(std::vector<std::string>{"/bin/sh", "-c", text}, std::move(options),
                              [this](std::string_view piece) { output += piece; });
    EXPECT_TRUE(tool) << tool.error().what;
    tool_.emplace(*std::move(tool));
  }
  SupervisedTool* operator->() { return &*tool_; }

  // Reads until `text` was printed.
  void wait_for(const std::string& text) {
    const auto deadline = steady_clock::now() + 10s;
    while (output.find(text) == std::string::npos && steady_clock::now() < deadline) {
      tool_->read();
      std::this_thread::sleep_for(1ms);
    }
    EXPECT_THAT(output, HasSubstr(text));
  }

  std::string output;

 private:
  std::optional<SupervisedTool> tool_;
};

TEST(SupervisedTool, gives_all_that_a_tool_printed_and_keeps_its_last_words_apart) {
  Script script("echo out; echo complaint >&2; exit 3");
  ASSERT_TRUE(script->wait_until(steady_clock::now() + 10s));
  EXPECT_EQ(script.output, "out\n");
  EXPECT_EQ(script->last_words(), "complaint\n");
  EXPECT_TRUE(script->has_output_ended());
  const auto end = script->poll_end();
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->is_ok());
  EXPECT_EQ(end->text(), "exited with status 3");
}

TEST(SupervisedTool, streams_more_than_a_pipe_holds) {
  Script script("head -c 3000000 /dev/zero");
  ASSERT_TRUE(script->wait_until(steady_clock::now() + 10s));
  EXPECT_EQ(script.output.size(), 3'000'000U);
  EXPECT_TRUE(script->poll_end()->is_ok());
}

TEST(SupervisedTool, keeps_the_end_of_endless_words) {
  Script script("head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2");
  ASSERT_TRUE(script->wait_until(steady_clock::now() + 10s));
  EXPECT_EQ(script->last_words().size(), SupervisedTool::kLastWordsBytes);
  EXPECT_THAT(script->last_words(), EndsWith("xthe end\n"));
}

TEST(SupervisedTool, that_heeds_sigint_writes_its_end) {
  Script script("trap 'echo bye; exit 0' INT; echo ready; while :; do sleep 0.01; done");
  script.wait_for("ready");
  const ToolEnd end = script->stop(10s);
  EXPECT_TRUE(end.is_ok()) << end.text();
  EXPECT_THAT(script.output, EndsWith("bye\n"));
}

TEST(SupervisedTool, that_ignores_sigint_is_killed_with_all_that_it_started) {
  Script script("trap '' INT; sleep 600 & echo $!; while :; do sleep 600; done");
  script.wait_for("\n");
  const auto child = parse_number<pid_t>(script.output.substr(0, script.output.find('\n')));
  ASSERT_TRUE(child);
  EXPECT_TRUE(is_running(*child));
  const auto start = steady_clock::now();
  const ToolEnd end = script->stop(100ms);
  EXPECT_LT(steady_clock::now() - start, 5s);
  EXPECT_TRUE(end.is_killed);
  EXPECT_EQ(end.text(), "had to be killed");
  for (int i = 0; i < 1000 && is_running(*child); ++i) {
    std::this_thread::sleep_for(10ms);  // init, or whoever adopts it, has to wait for it
  }
  EXPECT_FALSE(is_running(*child));
}

TEST(SupervisedTool, that_prints_for_ever_holds_nobody) {
  Script script("exec yes");
  const auto start = steady_clock::now();
  EXPECT_FALSE(script->wait_until(start + 200ms));
  EXPECT_LT(steady_clock::now() - start, 2s);
  script->kill();
  EXPECT_LT(steady_clock::now() - start, 5s);
  EXPECT_FALSE(script.output.empty());
}

TEST(SupervisedTool, tells_the_signal_of_a_crash) {
  Script script("kill -SEGV $$");
  ASSERT_TRUE(script->wait_until(steady_clock::now() + 10s));
  EXPECT_EQ(script->poll_end()->text(), "was ended by signal 11");
}

TEST(SupervisedTool, reads_the_input_it_is_given_also_a_file_without_a_name) {
  const TempDir dir;
  const std::string path = dir.path() + "/input";
  std::ofstream(path) << "from a file";
  const auto file = open_file(path, O_RDONLY);
  ASSERT_TRUE(file);
  ASSERT_EQ(::unlink(path.c_str()), 0);
  Script script("cat /dev/stdin", {.variables = {}, .input_fd = file->get()});
  ASSERT_TRUE(script->wait_until(steady_clock::now() + 10s));
  EXPECT_EQ(script.output, "from a file");
}

TEST(SupervisedTool, gets_the_variables_and_limits_it_is_given) {
  const TempDir dir;
  Script script("ulimit -c; echo $GIVEN; head -c 100000 /dev/zero >" + dir.path() + "/big",
                {.variables = {"GIVEN=yes"}, .file_bytes = 4096});
  ASSERT_TRUE(script->wait_until(steady_clock::now() + 10s));
  EXPECT_EQ(script.output, "0\nyes\n");
  EXPECT_LE(std::filesystem::file_size(dir.path() + "/big"), 4096U);
}

TEST(SupervisedTool, runs_at_the_priority_it_is_given) {
  const int ours = ::getpriority(PRIO_PROCESS, 0);
  Script script("nice", {.variables = {}, .nice = 3});
  ASSERT_TRUE(script->wait_until(steady_clock::now() + 10s));
  EXPECT_EQ(script.output, std::to_string(std::min(ours + 3, 19)) + "\n");
}

TEST(SupervisedTool, tells_the_cpu_time_it_took) {
  Script script("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
  ASSERT_TRUE(script->wait_until(steady_clock::now() + 60s));
  EXPECT_GT(script->poll_end()->cpu_time, 10ms);
}

// Before 5.3, and where seccomp refuses it: exits are looked for, and nothing else is different.
TEST(SupervisedTool, does_without_pidfds) {
  const pid_t refused = ::fork();
  ASSERT_GE(refused, 0);
  if (refused == 0) {
    if (!refuse_system_call(SYS_pidfd_open)) {
      ::_exit(2);
    }
    Script ended("echo all; exit 7");
    const bool has_ended = ended->wait_until(steady_clock::now() + 10s);
    Script stopped("trap 'echo told; exit 3' INT; echo ready; while :; do sleep 0.01; done");
    stopped.wait_for("ready");
    const bool is_told = WEXITSTATUS(stopped->stop(10s).wait_status) == 3;
    const bool is_right = has_ended && ended.output == "all\n" &&
                          WEXITSTATUS(ended->poll_end()->wait_status) == 7 && is_told &&
                          stopped.output == "ready\ntold\n";
    ::_exit(is_right && !HasFailure() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(refused, &status, 0), refused);
  EXPECT_EQ(WEXITSTATUS(status), 0) << status;
}

TEST(SupervisedTool, leaves_no_descriptor_and_no_zombie) {
  const auto before = open_descriptors();
  for (int i = 0; i < 50; ++i) {
    Script script(i % 2 == 0 ? "exit 0" : "sleep 600");
    if (i % 2 == 0) {
      ASSERT_TRUE(script->wait_until(steady_clock::now() + 10s));
    }
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(zombie_count(), 0);
}

}  // namespace
}  // namespace waggle
