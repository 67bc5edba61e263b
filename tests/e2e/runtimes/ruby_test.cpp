// SPDX-License-Identifier: Apache-2.0
// `waggle record` of Ruby programs, whose methods rbspy tells: the real one, and some that
// misbehave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "tests/e2e/runtimes/runtime_run.h"
#include "tests/interpreters.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::Each;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kRuby = "/usr/bin/ruby";
constexpr const char* kComm = "ruby";

std::string rbspy_program() {
  return test_cache() + "/rbspy";
}

Words ruby_shares(const std::string& ruby = kRuby) {
  return ahead({ruby, RUBY_SHARES});
}

class Ruby : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kRuby)) {
      GTEST_SKIP() << "no Ruby here (tools/install_packages test)";
    }
  }
};

class RubyWithRbspy : public Ruby {
 protected:
  void SetUp() override {
    Ruby::SetUp();
    if (!IsSkipped() && !std::filesystem::exists(rbspy_program())) {
      GTEST_SKIP() << "no rbspy here (tests/e2e/runtimes/fetch_rbspy.py)";
    }
  }
};

void expect_methods(const CollapsedFile& file, const std::string& comm) {
  EXPECT_EQ(file.header["waggle"]["tools"]["rbspy"], "ok");
  EXPECT_EQ(file.header["waggle"]["added"], 0);
  EXPECT_TRUE(file.adds_up()) << "the total is the engine's";
  ASSERT_GT(file.count_of(comm), 10U);
  for (const CollapsedFile::Line& line : file.lines) {
    if (line.comm == comm) {
      EXPECT_THAT(line.frames, Each(EndsWith("_[rb]"))) << line.stack();
      EXPECT_THAT(line.frames.front(), StartsWith(std::string("<main> - ") + RUBY_SHARES + ":"));
    }
  }
}

// Of 800 samples a share of 50 % has a standard deviation of 1.8 points.
void expect_shares(const CollapsedFile& file, const std::string& comm) {
  constexpr double kPoints = 7;
  EXPECT_NEAR(innermost_share(file, comm, "spend_half - "), 50, kPoints) << file.text_of(comm);
  EXPECT_NEAR(innermost_share(file, comm, "spend_third - "), 30, kPoints);
  EXPECT_NEAR(innermost_share(file, comm, "spend_fifth - "), 20, kPoints);
}

TEST_F(RubyWithRbspy, shows_its_methods_and_their_shares_in_ebpf_mode) {
  const TestProgram ruby(ruby_shares());
  const TestProgram native(ahead({RECURSION, "10"}));
  const CollapsedFile file = record_col({"--engine", "ebpf", "--rbspy-path", rbspy_program(), "-d",
                                         "8", "-p", pid_of(ruby) + "," + pid_of(native)});
  expect_methods(file, kComm);
  expect_shares(file, kComm);
  EXPECT_GT(file.count_of("recursion", ";main;recurse"), 10U);
}

TEST_F(RubyWithRbspy, shows_its_methods_and_their_shares_beside_perf) {
  const TestProgram ruby(ruby_shares());
  const CollapsedFile file = record_col(
      {"--engine", "fallback", "--rbspy-path", rbspy_program(), "-d", "8", "-p", pid_of(ruby)});
  EXPECT_EQ(file.header["waggle"]["tools"]["perf"], "ok");
  expect_methods(file, kComm);
  expect_shares(file, kComm);
}

TEST_F(RubyWithRbspy, is_found_in_a_program_of_another_name_that_a_command_is) {
  const TempDir dir;
  const std::string renamed = dir.path() + "/my-app";
  std::filesystem::copy_file(kRuby, renamed);
  WaggleRun run({"record", "--rbspy-path", rbspy_program(), "-d", "4", "-o", "x.col", "--", renamed,
                 RUBY_SHARES});
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file =
      CollapsedFile::parse(read_file(run.directory() + "/x.col", 1 << 24).value());
  EXPECT_EQ(file.header["waggle"]["tools"]["rbspy"], "ok") << result.err;
  EXPECT_GT(file.count_of("my-app", ";spend_all - "), 10U) << file.text_of("my-app");
}

TEST_F(RubyWithRbspy, with_file_names_that_hold_stacks_can_forge_none) {
  const TempDir files;
  const TestProgram ruby(ahead({kRuby, RUBY_HOSTILE_FILES, files.path()}));
  const TestProgram native(ahead({RECURSION, "10"}));
  const CollapsedFile file = record_col(
      {"--rbspy-path", rbspy_program(), "-d", "3", "-p", pid_of(ruby) + "," + pid_of(native)});
  EXPECT_TRUE(file.adds_up());
  EXPECT_LE(file.total(), file.header["waggle"]["samples"].get<std::uint64_t>());
  EXPECT_EQ(file.count_of("recursion", "forged"), 0U) << file.text_of("recursion");
  EXPECT_GT(file.count_of("recursion", ";main;recurse"), 10U);
  EXPECT_GT(file.count_of(kComm), 10U);
  // Newlines in them make lines that are no stacks: all of it is refused.
  EXPECT_THAT(file.header["waggle"]["tools"]["rbspy"].get<std::string>(),
              HasSubstr("rbspy wrote something else than stacks"));
  EXPECT_EQ(file.count_of(kComm, "forged"), 0U) << file.text_of(kComm);
}

TEST_F(RubyWithRbspy, keeps_what_it_has_of_a_process_that_ends) {
  auto ruby = std::make_unique<TestProgram>(ruby_shares());
  const TestProgram native(ahead({RECURSION, "10"}));
  WaggleRun run({"record", "--rbspy-path", rbspy_program(), "-d", "5", "-o", "-", "-p",
                 pid_of(native) + "," + pid_of(*ruby)});
  std::this_thread::sleep_for(std::chrono::seconds(3));
  ruby.reset();
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of(kComm, ";spend_all - "), 0U) << result.err << file.text_of(kComm);
  EXPECT_GT(file.count_of("recursion", ";main;recurse"), 0U);
}

TEST_F(RubyWithRbspy, that_begins_meanwhile_is_shown_where_that_is_asked_for) {
  const TempDir dir;
  const std::string ruby = dir.path() + "/spawned-ruby";  // there may be others on the host
  std::filesystem::copy_file(kRuby, ruby);
  for (const bool is_asked_for : {true, false}) {
    Words arguments{"record",       "-d",           "8", "-o", "-", "--min-profiling-duration", "1",
                    "--rbspy-path", rbspy_program()};
    if (is_asked_for) {
      arguments.emplace_back("--profile-spawned-processes");
    }
    WaggleRun run(arguments);
    std::this_thread::sleep_for(std::chrono::seconds(2));  // it records by now
    const TestProgram program(ruby_shares(ruby));
    const WaggleResult result = run.wait();
    ASSERT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_GT(file.count_of("spawned-ruby"), 50U);
    EXPECT_EQ(file.count_of("spawned-ruby", ";spend_all - ") > 50, is_asked_for)
        << file.text_of("spawned-ruby") << result.err;
    EXPECT_TRUE(file.adds_up());
  }
}

class MisbehavingRbspy : public testing::TestWithParam<ToolCase> {};

TEST_P(MisbehavingRbspy, is_named_and_outlived_and_the_rest_is_there) {
  if (!std::filesystem::exists(kRuby)) {
    GTEST_SKIP() << "no Ruby here (tools/install_packages test)";
  }
  const TestProgram ruby(ruby_shares());
  const ToolStandIn rbspy("rbspy", GetParam().behaviour);
  expect_outlived(GetParam(), "rbspy", rbspy, {"--rbspy-path", rbspy.path()}, ruby, kComm);
}

INSTANTIATE_TEST_SUITE_P(
    Ruby, MisbehavingRbspy,
    testing::Values(ToolCase{"that_hangs", "trap '' INT; sleep 600 & echo $! >>$DIR/pids; wait",
                             "had to be killed"},
                    ToolCase{"that_crashes", "kill -SEGV $$", "rbspy was ended by signal 11"},
                    ToolCase{"that_writes_nothing", "exit 0", "rbspy wrote no file"},
                    ToolCase{"that_writes_garbage", "head -c 100000 /dev/urandom >$OUTPUT",
                             "rbspy wrote something else than stacks"},
                    ToolCase{"that_writes_without_end", "exec yes 'f - /a.rb:1 5' >$OUTPUT",
                             "rbspy was ended by signal 25"}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST_F(Ruby, goes_on_where_the_tool_leaves_it_stopped) {
  const TestProgram ruby(ruby_shares());
  const ToolStandIn rbspy("rbspy", "kill -STOP $TARGET; exit 1");
  const WaggleResult result = run_waggle(
      {"record", "--rbspy-path", rbspy.path(), "-d", "2", "-o", "x.col", "-p", pid_of(ruby)});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("rbspy left process " + pid_of(ruby)));
  EXPECT_THAT(process_state(ruby.pid()), testing::AnyOf('R', 'S'));
}

// Writes a stack that no process has, once it is asked to end.
constexpr const char* kMadeUp =
    "trap 'echo \"made_up - /x.rb:1 5\" >$OUTPUT; exit 0' INT; sleep 60 & echo $! >>$DIR/pids; "
    "wait";

TEST_F(Ruby, has_its_stacks_from_a_tool_of_that_format) {
  const TestProgram ruby(ruby_shares());
  const ToolStandIn rbspy("rbspy", kMadeUp);
  const CollapsedFile file =
      record_col({"--rbspy-path", rbspy.path(), "-d", "1", "-F", "199", "-p", pid_of(ruby)});
  EXPECT_EQ(rbspy.targets(), pid_of(ruby) + "\n");
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of(kComm, ";made_up - /x.rb:1_[rb]"), 0U) << file.text_of(kComm);
}

TEST_F(Ruby, is_left_alone_where_that_is_asked_for) {
  const TestProgram ruby(ruby_shares());
  const TestProgram native(ahead({RECURSION, "10"}));
  for (const Words& options :
       {Words{"--no-ruby", "-p", pid_of(ruby)},
        Words{"--ruby-mode", "disabled", "-p", pid_of(ruby)}, Words{"--comm", "recursion"}}) {
    const ToolStandIn rbspy("rbspy", kMadeUp);
    Words arguments = {"--rbspy-path", rbspy.path(), "-d", "1"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const CollapsedFile file = record_col(arguments);
    EXPECT_EQ(rbspy.targets(), "") << options.front();
    EXPECT_FALSE(file.header["waggle"]["tools"].contains("rbspy")) << options.front();
  }
}

TEST_F(Ruby, is_native_where_rbspy_is_not_there_and_that_is_said_once) {
  for (const char* place : {"/usr/bin/rbspy", "/usr/local/bin/rbspy"}) {
    if (std::filesystem::exists(place)) {
      GTEST_SKIP() << "rbspy is installed";
    }
  }
  const TestProgram ruby(ruby_shares());
  const TestProgram other(ruby_shares());
  const WaggleResult result = run_waggle(
      {"record", "-d", "1", "-F", "199", "-o", "-", "-p", pid_of(ruby) + "," + pid_of(other)},
      {"env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
  ASSERT_EQ(result.status, 0) << result.err;
  const std::string said = "rbspy is not found: cargo install rbspy";
  const std::size_t first = result.err.find(said);
  ASSERT_NE(first, std::string::npos) << result.err;
  EXPECT_EQ(result.err.find(said, first + 1), std::string::npos) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(file.header["waggle"]["tools"]["rbspy"].get<std::string>(), HasSubstr("not found"));
  EXPECT_GT(file.count_of(kComm, "rb_vm_exec"), 0U) << file.text_of(kComm);
  EXPECT_TRUE(file.adds_up());
}

}  // namespace
}  // namespace waggle
