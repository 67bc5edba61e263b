// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/output_parser.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Parsed {
  std::vector<std::string> stacks;
  AsyncProfilerOutputParser::Counters counters;
};

// Stacks as "THREAD/TID: FRAME FRAME = COUNT".
Parsed parse(std::string_view text, bool tells_threads = false) {
  Parsed parsed;
  AsyncProfilerOutputParser parser(tells_threads, [&](const AsyncProfilerStack& stack) {
    parsed.stacks.push_back(fmt::format("{}/{}: {} = {}", stack.thread, stack.tid,
                                        fmt::join(stack.frames, " "), stack.count));
  });
  parser.feed(text);
  parser.finish();
  parsed.counters = parser.counters();
  return parsed;
}

TEST(AsyncProfilerOutput, is_frames_from_the_root_and_a_count) {
  const Parsed parsed = parse(
      "Fibonacci.main([Ljava/lang/String|)V_[0];Fibonacci.fibonacci(I)J_[j];do_syscall_64_[k] 12\n"
      "thread_native_entry;operator new(unsigned long) 1\n");
  EXPECT_THAT(parsed.stacks,
              ElementsAre("/0: Fibonacci.main([Ljava/lang/String|)V_[0] "
                          "Fibonacci.fibonacci(I)J_[j] do_syscall_64_[k] = 12",
                          "/0: thread_native_entry operator new(unsigned long) = 1"));
  EXPECT_EQ(parsed.counters.bad_lines, 0U);
}

TEST(AsyncProfilerOutput, has_threads_in_front_where_they_are_told) {
  const Parsed parsed = parse(
      "[main tid=31795];A.b()V_[j] 3\n"
      "[pool;1 tid=7] tid=8];A.b()V_[j] 2\n"
      "A.b()V_[j] 2\n"
      "[main tid=x];A.b()V_[j] 2\n"
      "[main tid=5] 2\n",
      true);
  EXPECT_THAT(parsed.stacks,
              ElementsAre("main/31795: A.b()V_[j] = 3", "pool;1 tid=7]/8: A.b()V_[j] = 2"));
  EXPECT_EQ(parsed.counters.bad_lines, 3U);
}

TEST(AsyncProfilerOutput, refuses_what_is_no_stack) {
  const Parsed parsed =
      parse("\n12\nA 0\nA -1\nA 99999999999999999999\nA;;B 1\n;A 1\nA; 1\nA\tB 1\nA one\nA 1 \n");
  EXPECT_THAT(parsed.stacks, IsEmpty());
  EXPECT_EQ(parsed.counters.bad_lines, 11U);
}

TEST(AsyncProfilerOutput, does_not_believe_a_line_that_is_cut) {
  const Parsed parsed = parse("A 1\nB 12");
  EXPECT_THAT(parsed.stacks, ElementsAre("/0: A = 1"));
  EXPECT_EQ(parsed.counters.bad_lines, 1U);
}

TEST(AsyncProfilerOutput, has_limits) {
  std::string deep = "A";
  for (std::size_t i = 1; i < AsyncProfilerOutputParser::kMaxFrames; ++i) {
    deep += ";A";
  }
  EXPECT_EQ(parse(deep + " 1\n").counters.stacks, 1U);
  EXPECT_EQ(parse(deep + ";A 1\n").counters.bad_lines, 1U);
  const std::string longest(AsyncProfilerOutputParser::kMaxLineBytes - 2, 'A');
  EXPECT_EQ(parse(longest + " 1\nB 1\n").counters.stacks, 2U);
  EXPECT_EQ(parse(longest + "A 1\nB 1\n").counters.bad_lines, 1U);
}

}  // namespace
}  // namespace waggle
