// SPDX-License-Identifier: Apache-2.0
// `waggle record` beside a dotnet-trace.  Neither it nor a .NET is to be had where the tests run:
// both are made up here, the one as a script that writes what dotnet-trace writes, the other as a
// program that exports what a .NET runtime does.  No test here has seen the real ones.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/e2e/runtimes/runtime_run.h"

namespace waggle {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr const char* kComm = "runtime_like";

Words dotnet_program() {
  return ahead({RUNTIME_LIKE});
}

// Forty milliseconds of Main, and sixty of what it calls, once it is asked to end.
constexpr const char* kEvented =
    "env >$DIR/environment; echo \"$@\" >$DIR/arguments\n"
    "finish() { cat >$OUTPUT.speedscope.json <<'END'\n"
    R"j({"exporter":"speedscope@1.3.2","name":"app","activeProfileIndex":0,)j"
    R"j("shared":{"frames":[{"name":"app!Main(class String[])"},{"name":"app!Work(int32)"}]},)j"
    R"j("profiles":[{"type":"evented","name":"Thread (7)","unit":"milliseconds",)j"
    R"j("startValue":"0.0","endValue":"100.0","events":[{"type":"O","frame":0,"at":0.0},)j"
    R"j({"type":"O","frame":1,"at":40.0},{"type":"C","frame":1,"at":100.0},)j"
    R"j({"type":"C","frame":0,"at":100.0}]}]})j"
    "\nEND\nexit 0; }\ntrap finish INT; sleep 60 & echo $! >>$DIR/pids; wait";

void expect_methods(const std::string& engine) {
  const TestProgram dotnet(dotnet_program());
  const ToolStandIn tool("dotnet-trace", kEvented);
  const CollapsedFile file =
      record_col({"--engine", engine, "--dotnet-mode", "dotnet-trace", "--dotnet-trace-path",
                  tool.path(), "-d", "2", "-F", "199", "-p", pid_of(dotnet)});
  EXPECT_EQ(tool.targets(), pid_of(dotnet) + "\n");
  EXPECT_EQ(file.header["waggle"]["tools"]["dotnet-trace"], "ok");
  EXPECT_TRUE(file.adds_up());
  ASSERT_GT(file.count_of(kComm), 10U);
  const std::string main = ";app!Main(class String[])_[net]";
  EXPECT_EQ(file.count_of(kComm, main), file.count_of(kComm)) << file.text_of(kComm);
  EXPECT_NEAR(file.share_of(kComm, main + ";app!Work(int32)_[net]"), 0.6, 0.05);
  EXPECT_THAT(tool.read("environment"),
              HasSubstr(fmt::format("TMPDIR=/proc/{}/root/tmp\n", pid_of(dotnet))));
  EXPECT_THAT(tool.read("arguments"), HasSubstr("collect --format speedscope --process-id"));
}

TEST(Dotnet, has_its_methods_from_a_tool_of_that_format_in_ebpf_mode) {
  expect_methods("ebpf");
}

TEST(Dotnet, has_its_methods_from_a_tool_of_that_format_beside_perf) {
  expect_methods("fallback");
}

TEST(Dotnet, is_native_unless_it_is_asked_for) {
  const TestProgram dotnet(dotnet_program());
  const ToolStandIn tool("dotnet-trace", kEvented);
  for (const Words& options : {Words{}, Words{"--dotnet-mode", "disabled"},
                               Words{"--dotnet-mode", "dotnet-trace", "--no-dotnet"}}) {
    Words arguments = {"--dotnet-trace-path", tool.path(), "-d", "1", "-p", pid_of(dotnet)};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const CollapsedFile file = record_col(arguments);
    EXPECT_EQ(tool.targets(), "");
    EXPECT_GT(file.count_of(kComm, ";main;spin"), 0U);
  }
}

class MisbehavingDotnetTrace : public testing::TestWithParam<ToolCase> {};

TEST_P(MisbehavingDotnetTrace, is_named_and_outlived_and_the_rest_is_there) {
  const TestProgram dotnet(dotnet_program());
  const ToolStandIn tool("dotnet-trace", GetParam().behaviour);
  expect_outlived(GetParam(), "dotnet-trace", tool,
                  {"--dotnet-mode", "dotnet-trace", "--dotnet-trace-path", tool.path()}, dotnet,
                  kComm);
}

INSTANTIATE_TEST_SUITE_P(
    Dotnet, MisbehavingDotnetTrace,
    testing::Values(ToolCase{"that_hangs", "trap '' INT; sleep 600 & echo $! >>$DIR/pids; wait",
                             "had to be killed"},
                    ToolCase{"that_fails", "echo 'Unable to connect' >&2; exit 2",
                             "dotnet-trace exited with status 2"},
                    ToolCase{"that_writes_nothing", "exit 0", "dotnet-trace wrote no file"},
                    ToolCase{"that_writes_garbage",
                             "head -c 100000 /dev/urandom >$OUTPUT.speedscope.json",
                             "dotnet-trace wrote no stacks: no JSON"}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(Dotnet, without_dotnet_trace_is_native_and_that_is_said) {
  const TestProgram dotnet(dotnet_program());
  const WaggleResult result = run_waggle(
      {"record", "--dotnet-mode", "dotnet-trace", "-d", "1", "-o", "-", "-p", pid_of(dotnet)},
      {"env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("dotnet-trace is not found"));
  EXPECT_GT(CollapsedFile::parse(result.out).count_of(kComm, ";main;spin"), 0U);
}

}  // namespace
}  // namespace waggle
