// SPDX-License-Identifier: Apache-2.0
// What async-profiler samples a JVM by: perf events, timers where those are refused, the clock.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "tests/e2e/java/java_programs.h"
#include "tests/e2e/java/java_run.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kMode = "--java-async-profiler-mode";

class JavaMode : public JavaOfVersion {
 protected:
  // Its seccomp filter is that of a container.
  static std::vector<std::string> refused() {
    std::vector<std::string> words{WITHOUT_PERF_EVENTS};
    std::ranges::move(java_command(GetParam()), std::back_inserter(words));
    return words;
  }
};

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST_P(JavaMode, is_a_timer_where_the_kernel_refuses_perf_events_and_that_is_told_once) {
  const TestProgram first(refused());
  const TestProgram second(refused());
  const WaggleResult result =
      run_waggle(record(first.pid(), {"-d", "5", "-p", std::to_string(second.pid())}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  expect_shares(file);
  EXPECT_EQ(count_of(result.err, "perf events are refused to it"), 1U) << result.err;
  EXPECT_THAT(file.header["waggle"]["excluded"].dump(),
              HasSubstr("async-profiler: kernel frames of 2 JVMs ("));
}

TEST_P(JavaMode, says_nothing_of_timers_where_there_are_perf_events) {
  const TestProgram program(java_command(GetParam()));
  const WaggleResult result = run_waggle(record(program.pid(), {"-d", "2"}));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("perf events are refused")));
  EXPECT_THAT(CollapsedFile::parse(result.out).header["waggle"]["excluded"].dump(),
              Not(HasSubstr("kernel frames")));
}

TEST_P(JavaMode, is_a_timer_where_async_profiler_itself_has_none_in_the_place_of_perf_events) {
  const TestProgram program(java_command(GetParam()));
  const WaggleResult result =
      run_waggle(record(program.pid(), {"-d", "3", "--async-profiler-path", OLD_ASYNC_PROFILER}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  EXPECT_THAT(result.err, HasSubstr("perf events are refused to it"));
  EXPECT_GT(file.count_of("java", ";Old.timed()V_[j]"), 0U) << file.text_of("java");
  EXPECT_TRUE(file.adds_up());
}

TEST_P(JavaMode, that_is_asked_for_is_not_another) {
  const TestProgram program(java_command(GetParam()));
  const WaggleResult result = run_waggle(record(
      program.pid(), {"-d", "2", kMode, "cpu", "--async-profiler-path", OLD_ASYNC_PROFILER}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(tool_state(file), HasSubstr("No access to perf events"));
  EXPECT_THAT(result.err, HasSubstr("async-profiler: [ERROR] No access to perf events"));
  EXPECT_EQ(file.count_of("java", "Old.timed"), 0U);
}

TEST_P(JavaMode, itimer_needs_no_perf_events) {
  const TestProgram program(java_command(GetParam()));
  WaggleRun run(record(program.pid(), {"-d", "4", kMode, "itimer"}));
  ASSERT_TRUE(wait_until([&] { return !mapped_profilers(program.pid()).empty(); }, seconds(20)));
  EXPECT_FALSE(wait_until([&] { return is_being_sampled(program.pid()); }, seconds(2)));
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(tool_state(file), "ok") << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("perf events are refused")));
  expect_shares(file);
}

TEST_P(JavaMode, wall_shows_what_a_jvm_waits_in) {
  constexpr int kHz = 99;
  constexpr int kSeconds = 5;
  const TestProgram program(java_command(GetParam(), {}, "Sleeps"));
  const auto waits_in = [&](const char* mode) {
    const WaggleResult result = run_waggle(record(
        program.pid(), {"-d", std::to_string(kSeconds), "-F", std::to_string(kHz), kMode, mode}));
    EXPECT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_EQ(tool_state(file), "ok") << result.err;
    EXPECT_TRUE(file.adds_up());
    return file.count_of("java", ";Sleeps.nap()V_");
  };
  // Two threads, all the time but for the start of async-profiler.
  const auto of_wall = static_cast<double>(waits_in("wall"));
  EXPECT_LE(of_wall, 2 * kHz * kSeconds * 1.1);
  EXPECT_GE(of_wall, 2 * kHz * kSeconds * 0.5);
  EXPECT_LT(static_cast<double>(waits_in("cpu")), of_wall / 10);
}

INSTANTIATE_TEST_SUITE_P(Version, JavaMode, testing::Values(JAVA_VERSIONS),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace waggle
