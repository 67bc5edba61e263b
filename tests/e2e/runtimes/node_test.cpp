// SPDX-License-Identifier: Apache-2.0
// `waggle record` of a real Node that writes a perf map: its functions have the map's names, and
// their shares, by both engines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "tests/e2e/runtimes/runtime_run.h"

namespace waggle {
namespace {

constexpr const char* kNode = "/usr/bin/node";

class Node : public testing::TestWithParam<const char*> {};

// Of 800 samples a share of 50 % has a standard deviation of 1.8 points.
TEST_P(Node, shows_its_functions_as_its_perf_map_calls_them) {
  constexpr double kPoints = 7;
  if (!std::filesystem::exists(kNode)) {
    GTEST_SKIP() << "no Node here (tools/install_packages test)";
  }
  // What it inlines is in no map.
  const TestProgram node(ahead({kNode, "--perf-basic-prof", "--no-turbo-inlining", NODE_SHARES}));
  const CollapsedFile file = record_col({"--engine", GetParam(), "--nodejs-mode", "perf", "-d", "4",
                                         "-F", "199", "-p", pid_of(node)});
  EXPECT_TRUE(file.adds_up());
  ASSERT_GT(file.count_of("node"), 100U);
  for (const auto& [name, share] :
       {std::pair("spendHalf", 50), std::pair("spendThird", 30), std::pair("spendFifth", 20)}) {
    // "JS:*spendHalf /path/shares.js:7:19": optimized by the last of its compilers.
    EXPECT_NEAR(innermost_share(file, "node", std::string("JS:*") + name + " " + NODE_SHARES + ":"),
                share, kPoints)
        << file.text_of("node");
  }
  std::error_code ignored;
  std::filesystem::remove("/tmp/perf-" + pid_of(node) + ".map", ignored);
}

INSTANTIATE_TEST_SUITE_P(Engines, Node, testing::Values("ebpf", "fallback"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace waggle
