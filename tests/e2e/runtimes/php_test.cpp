// SPDX-License-Identifier: Apache-2.0
// `waggle record` of real PHP programs beside a phpspy.  That is not to be had where the tests run:
// scripts print what its manual shows.  No test here has seen the real one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "tests/e2e/runtimes/runtime_run.h"

namespace waggle {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr const char* kPhp = "/usr/bin/php";

class Php : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kPhp)) {
      GTEST_SKIP() << "no PHP here (tools/install_packages test)";
    }
  }
};

Words php_program() {
  return ahead({kPhp, PHP_SHARES});
}

std::string comm_of(const TestProgram& program) {
  const auto comm = read_file("/proc/" + pid_of(program) + "/comm", 64);
  return comm ? comm->substr(0, comm->find('\n')) : "";
}

// Prints two stacks of a process again and again, and one that is broken.
std::string prints_stacks_of(const std::string& pid) {
  return "echo \"$@\" >$DIR/arguments\n"
         "trap 'echo main_pgrep finished gracefully >&2; exit 0' INT\n"
         "while true; do\n"
         "printf '0 spend_more /srv/shares.php:5\\n1 <main> /srv/shares.php:17\\n# pid = " +
         pid +
         "\\n\\n0 spend_less /srv/shares.php:10\\n1 <main> /srv/shares.php:18\\n# pid = " + pid +
         "\\n\\n0 other <internal>:-1\\n# pid = 1\\n\\n'\nsleep 0.05\ndone";
}

void expect_functions(const std::string& engine) {
  const TestProgram php(php_program());
  const std::string comm = comm_of(php);
  const ToolStandIn phpspy("phpspy", prints_stacks_of(pid_of(php)));
  const CollapsedFile file =
      record_col({"--engine", engine, "--php-mode", "phpspy", "--php-proc-filter", "-x php",
                  "--phpspy-path", phpspy.path(), "-d", "3", "-F", "199", "-p", pid_of(php)});
  EXPECT_EQ(file.header["waggle"]["tools"]["phpspy"], "ok");
  EXPECT_TRUE(file.adds_up());
  ASSERT_GT(file.count_of(comm), 10U) << comm;
  const std::string main = ";<main> /srv/shares.php:17_[php];spend_more /srv/shares.php:5_[php]";
  EXPECT_NEAR(file.share_of(comm, main), 0.5, 0.1) << file.text_of(comm);
  for (const CollapsedFile::Line& line : file.lines) {
    EXPECT_NE(line.frames.back(), "other <internal>:-1_[php]") << "it is not of the recording";
  }
  EXPECT_THAT(phpspy.read("arguments"), HasSubstr("-P -x php -H 199"));
}

TEST_F(Php, has_its_functions_from_a_tool_of_that_format_in_ebpf_mode) {
  expect_functions("ebpf");
}

TEST_F(Php, has_its_functions_from_a_tool_of_that_format_beside_perf) {
  expect_functions("fallback");
}

TEST_F(Php, is_native_unless_it_is_asked_for) {
  const TestProgram php(php_program());
  const ToolStandIn phpspy("phpspy", "echo x >$DIR/arguments");
  for (const Words& options :
       {Words{}, Words{"--php-mode", "disabled"}, Words{"--php-mode", "phpspy", "--no-php"}}) {
    Words arguments = {"--phpspy-path", phpspy.path(), "-d", "1", "-p", pid_of(php)};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const CollapsedFile file = record_col(arguments);
    EXPECT_EQ(phpspy.read("arguments"), "");
    EXPECT_GT(file.count_of(comm_of(php)), 0U);
  }
}

TEST_F(Php, without_phpspy_is_native_and_that_is_said) {
  const TestProgram php(php_program());
  const WaggleResult result =
      run_waggle({"record", "--php-mode", "phpspy", "-d", "1", "-o", "-", "-p", pid_of(php)},
                 {"env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("phpspy is not found"));
  EXPECT_GT(CollapsedFile::parse(result.out).count_of(comm_of(php)), 0U);
}

class MisbehavingPhpspy : public testing::TestWithParam<ToolCase> {};

TEST_P(MisbehavingPhpspy, is_named_and_outlived_and_native_frames_are_there) {
  constexpr double kMostSeconds = 2 + 10;
  if (!std::filesystem::exists(kPhp)) {
    GTEST_SKIP() << "no PHP here (tools/install_packages test)";
  }
  const TestProgram php(php_program());
  const ToolStandIn phpspy("phpspy", GetParam().behaviour);
  const WaggleResult result =
      run_waggle({"record", "--php-mode", "phpspy", "--phpspy-path", phpspy.path(), "-d", "2", "-F",
                  "199", "-o", "-", "-p", pid_of(php)});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_LT(result.took.count(), kMostSeconds);
  EXPECT_THAT(result.err, HasSubstr(GetParam().says));
  phpspy.expect_nothing_runs();
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(file.header["waggle"]["tools"]["phpspy"].get<std::string>(),
              HasSubstr(GetParam().says));
  EXPECT_TRUE(file.adds_up());
  const std::string comm = comm_of(php);
  ASSERT_GT(file.count_of(comm), 0U);
  EXPECT_EQ(file.count_of(comm, ";[Profiling error: "), file.count_of(comm)) << file.text_of(comm);
}

INSTANTIATE_TEST_SUITE_P(
    Php, MisbehavingPhpspy,
    testing::Values(ToolCase{"that_hangs", "trap '' INT; sleep 600 & echo $! >>$DIR/pids; wait",
                             "phpspy had to be killed"},
                    ToolCase{"that_crashes", "kill -SEGV $$", "phpspy was ended by signal 11"},
                    ToolCase{"that_ends", "echo 'pgrep: bad' >&2; exit 0",
                             "phpspy exited with status 0: pgrep: bad"},
                    ToolCase{"that_prints_garbage",
                             "trap 'exit 0' INT; head -c 300000 /dev/urandom; sleep 60 & "
                             "echo $! >>$DIR/pids; wait",
                             "phpspy printed something else than stacks"},
                    ToolCase{"that_prints_without_end", "exec yes",
                             "phpspy printed something else than stacks"}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace waggle
