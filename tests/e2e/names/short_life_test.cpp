// SPDX-License-Identifier: Apache-2.0
// Names of processes that are gone before anybody can ask them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/e2e/names/names.h"

namespace waggle {
namespace {

struct Life {
  std::string ms;
  std::string count;
  bool is_exec;
  double work_share;
};

class ShortLife : public testing::TestWithParam<Life> {};

// One after the other, on a CPU that another program keeps busy.
TEST_P(ShortLife, is_long_enough_for_names) {
  const Life& life = GetParam();
  const TestProgram hog({"taskset", "-c", "0", program("shares")});
  Words command = {"record",          "-F",       "499",  "-o", "-", "--", "taskset", "-c", "0",
                   program("family"), life.count, life.ms};
  if (life.is_exec) {
    command.emplace_back("exec");
  }
  const CollapsedFile file = profile_of(run_waggle(command));
  const std::string comm = life.is_exec ? "exe" : "family";
  const std::string work = life.is_exec ? ";main;burn_after_exec;burn" : ";main;burn_in_child;burn";
  RecordProperty("samples", std::to_string(file.count_of(comm)));
  ASSERT_GT(file.count_of(comm), 100U);
  EXPECT_GE(file.share_of(comm, work), life.work_share) << file.text_of(comm);
  EXPECT_LE(file.share_of(comm, "[unknown"), 0.01) << file.text_of(comm);
  EXPECT_TRUE(file.adds_up());
}

// After an exec a millisecond goes to the kernel and the dynamic linker, which has no symbols.
INSTANTIATE_TEST_SUITE_P(
    Lives, ShortLife,
    testing::Values(Life{"50", "40", false, 0.95}, Life{"50", "40", true, 0.95},
                    Life{"10", "100", false, 0.95}, Life{"10", "100", true, 0.8}),
    [](const auto& life) { return life.param.ms + (life.param.is_exec ? "ms_exec" : "ms_fork"); });

TEST(ExecChain, never_shows_one_program_in_another) {
  const CollapsedFile file = record({"-F", "999", "--", program("chain_a"), "15", "20"});
  for (const std::string stage : {"a", "b", "c"}) {
    const std::string comm = "chain_" + stage;
    ASSERT_GT(file.count_of(comm), 100U);
    EXPECT_GE(file.share_of(comm, ";main;burn_in_" + stage), 0.9) << file.text_of(comm);
    EXPECT_EQ(file.count_of(comm, ";burn_in_"), file.count_of(comm, ";burn_in_" + stage))
        << file.text_of(comm);
    EXPECT_LE(file.share_of(comm, "[unknown"), 0.01) << file.text_of(comm);
  }
}

// Ends at once, a thousand times a second.
TEST(ForkStorm, is_accounted_for_in_bounded_memory) {
  const WaggleResult result =
      run_waggle({"record", "-F", "99", "-o", "-", "--", program("storm"), "8", "1000"});
  const CollapsedFile file = profile_of(result);
  EXPECT_GT(std::atoi(result.out.c_str()), 5000) << "the storm itself was slow";
  EXPECT_TRUE(file.adds_up());
  EXPECT_EQ(file.lost(), 0U);
  // How much of it the kernel takes for fork and exit depends on the host.
  EXPECT_GT(file.count_of("storm", ";main"), 50U) << file.text_of("storm");
  EXPECT_EQ(file.count_of("storm", "(storm+0x"), 0U) << file.text_of("storm");
  EXPECT_LE(file.share_of("storm", "[unknown"), 0.01) << file.text_of("storm");
  EXPECT_LT(file.header["waggle"]["overhead"]["rss_bytes"].get<std::uint64_t>(), 40U << 20);
}

}  // namespace
}  // namespace waggle
