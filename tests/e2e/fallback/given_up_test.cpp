// SPDX-License-Identifier: Apache-2.0
// A recording whose sampler was given up while it runs: it lasts as long as somebody else profiles.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/fallback/stand_in.h"
#include "tests/test_program.h"
#include "tests/wait_until.h"
#include "userspace/cli/record_engine.h"
#include "userspace/cli/record_runtimes.h"

namespace waggle {
namespace {

// As perf after nine failures in a row.
class GivenUpEngine final : public RecordEngine {
 public:
  Result<> select_pid(pid_t) override { return {}; }
  Result<> select(const Selection&) override { return {}; }
  Result<> start() override { return {}; }
  [[nodiscard]] std::vector<int> fds() const override { return {}; }
  Result<> on_readable() override { return {}; }
  [[nodiscard]] std::chrono::milliseconds tick_interval() const override {
    return std::chrono::milliseconds(100);
  }
  Result<> tick() override { return {}; }
  Result<> housekeep() override { return {}; }
  [[nodiscard]] std::uint64_t sample_count() const override { return 0; }
  [[nodiscard]] bool is_over() const override { return false; }
  [[nodiscard]] bool is_given_up() const override { return true; }
  std::vector<std::string> take_problems() override { return {}; }
  std::vector<ContainerRef> take_new_containers() override { return {}; }
  RuntimeHooks runtime_hooks() override {
    return {.tell_apart =
                [](pid_t pid) {
                  return RuntimeStacks{.process = static_cast<std::uint32_t>(pid),
                                       .comm = "python3",
                                       .stacks = {},
                                       .error = {}};
                },
            .add_own = [](pid_t) {},
            .thread_name = [](pid_t, pid_t) { return std::string(); }};
  }
  Result<> stop() override { return {}; }
  Result<EngineResult> finish() override {
    return EngineResult{.profile = {},
                        .facts = {},
                        .warnings = {},
                        .is_sampled = false,
                        .why_unsampled = "perf is given up"};
  }
};

TEST(GivenUpEngine, lasts_while_py_spy_profiles_and_leaves_its_stacks) {
  const TestProgram python({"/usr/bin/python3", "-B", PYTHON_SHARES});
  const PySpyStandIn py_spy(
      "while [ ! -e $DIR/end ]; do sleep 0.05; done; echo 'f (/x.py:1) 5' >$OUTPUT");
  RecordOptions options;
  options.pids = {python.pid()};
  options.py_spy_path = py_spy.path();
  options.java_mode = JavaMode::disabled;
  options.has_ruby = false;
  auto engine = with_runtimes(std::make_unique<GivenUpEngine>(), options, 99,
                              std::make_shared<RuntimeTurns>());
  ASSERT_TRUE(engine) << engine.error().what;
  ASSERT_TRUE((*engine)->select_pid(python.pid()));
  ASSERT_TRUE((*engine)->start());
  ASSERT_TRUE(wait_until([&] { return !py_spy.targets().empty(); }));
  EXPECT_FALSE((*engine)->is_over());

  py_spy.write("end");
  EXPECT_TRUE(wait_until([&] { return (*engine)->tick() && (*engine)->is_over(); }));
  ASSERT_TRUE((*engine)->stop());
  const auto result = (*engine)->finish();
  ASSERT_TRUE(result) << result.error().what;
  EXPECT_EQ(result->profile.total(), 5U);
  EXPECT_EQ(result->facts.event, "py-spy");
  EXPECT_EQ(result->facts.frequency, 50);
  ASSERT_EQ(result->warnings.size(), 2U) << "the rate, and what is lost";
  EXPECT_EQ(result->warnings.back(),
            "no samples of the system's (perf is given up), the profile has the stacks of runtimes "
            "alone");
}

}  // namespace
}  // namespace waggle
