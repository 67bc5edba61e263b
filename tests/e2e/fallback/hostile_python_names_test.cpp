// SPDX-License-Identifier: Apache-2.0
// A Python program whose functions and files have names that hold what py-spy prints: what it can
// make of its own stacks, and of nobody else's.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/interpreters.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

constexpr const char* kPython = "/usr/bin/python3";

std::string py_spy_program() {
  return test_cache() + "/py-spy";
}

class HostilePython : public testing::TestWithParam<const char*> {};

TEST_P(HostilePython, forges_no_sample_of_another_process_and_no_count) {
  constexpr std::uint64_t kMostSamples = 3 * 99 * 2 + 20;  // of 3 seconds on 2 CPUs
  if (!std::filesystem::exists(kPython) || !std::filesystem::exists(py_spy_program())) {
    GTEST_SKIP() << "no Python or no py-spy here (tests/e2e/python/fetch_pyspy.py)";
  }
  const TestProgram victim({"nice", "-n", "-5", RECURSION, "2"});
  const TestProgram hostile({"nice", "-n", "-5", kPython, "-B", PYTHON_HOSTILE_NAMES});
  const WaggleResult result = run_waggle(
      {"record", "-o", "-", "--engine", GetParam(), "--python-mode", "pyspy", "--py-spy-path",
       py_spy_program(), "-d", "3", "-p", fmt::format("{},{}", victim.pid(), hostile.pid())});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_TRUE(file.adds_up());
  EXPECT_LE(file.total(), kMostSamples);
  EXPECT_GT(file.count_of("recursion"), 20U);
  EXPECT_EQ(file.count_of("recursion", "forged"), 0U) << file.text_of("recursion");
  EXPECT_GT(file.count_of("python3"), 20U) << result.err;
  const auto is_control = [](char c) { return c != '\n' && static_cast<unsigned char>(c) < ' '; };
  EXPECT_TRUE(std::ranges::none_of(result.out, is_control));
  EXPECT_TRUE(std::ranges::none_of(result.err, is_control)) << result.err;
}

INSTANTIATE_TEST_SUITE_P(Engines, HostilePython, testing::Values("ebpf", "fallback"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace waggle
