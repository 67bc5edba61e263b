// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/container_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/wait_until.h"
#include "userspace/remote/container_runtime.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using testing::HasSubstr;

constexpr milliseconds kLong(20'000);  // on a host without a CPU to spare

class ContainerNamesTest : public testing::Test {
 protected:
  // A runtime that knows 0a as "web".
  ContainerSocket start(const std::string& behaviour) {
    const std::string socket = dir_.path() + "/" + behaviour + ".sock";
    runtimes_.push_back(std::make_unique<TestProgram>(std::vector<std::string>{
        "python3", CONTAINER_RUNTIME, socket, behaviour, "0a=web", "0b=db"}));
    return {.path = socket};
  }
  [[nodiscard]] ContainerSocket nobody() const { return {.path = dir_.path() + "/nobody.sock"}; }
  TestProgram& runtime() { return *runtimes_.back(); }

  TempDir dir_;
  std::vector<std::unique_ptr<TestProgram>> runtimes_;
};

TEST_F(ContainerNamesTest, are_asked_once_and_kept_when_the_runtime_is_gone) {
  ContainerNames names({start("ok")});
  names.want("0a");
  names.want("0a");
  names.want("0b");
  names.wait(kLong);
  EXPECT_EQ(names.find("0a"), "web");
  EXPECT_EQ(runtime().read_line(), "asked 0a");
  EXPECT_EQ(runtime().read_line(), "asked 0b");
  runtimes_.clear();
  names.want("0a");
  names.wait(kLong);
  EXPECT_EQ(names.find("0a"), "web");
  EXPECT_EQ(names.find("0b"), "db");
  EXPECT_FALSE(names.take_problem());
}

TEST_F(ContainerNamesTest, come_from_the_runtime_that_knows_the_container) {
  ContainerNames names({nobody(), start("close"), start("ok")});
  names.want("0c");
  names.want("0a");
  names.wait(kLong);
  EXPECT_EQ(names.find("0a"), "web");
  EXPECT_EQ(names.find("0c"), "");
}

TEST_F(ContainerNamesTest, tell_once_that_nobody_listens) {
  ContainerNames names({nobody()});
  names.want("0a");
  names.wait(kLong);
  const auto problem = names.take_problem();
  ASSERT_TRUE(problem);
  EXPECT_THAT(*problem, HasSubstr("no container runtime listens at " + dir_.path()));
  names.want("0b");
  names.wait(kLong);
  EXPECT_FALSE(names.take_problem());
}

TEST_F(ContainerNamesTest, do_without_a_runtime_that_misbehaves) {
  for (const std::string behaviour :
       {"hang", "slow", "huge", "nested", "garbage", "forged", "error", "close"}) {
    ContainerNames names({start(behaviour)});
    const auto before = Clock::now();
    names.want("0a");
    EXPECT_LT(Clock::now() - before, milliseconds(500)) << behaviour;
    names.wait(kLong);
    EXPECT_LT(Clock::now() - before, milliseconds(5'000)) << behaviour;
    EXPECT_EQ(names.find("0a"), "") << behaviour;
    EXPECT_TRUE(names.take_problem()) << behaviour;
    // It is left alone then: thousands of containers must not wait for it.
    for (int i = 0; i < 1000; ++i) {
      names.want("c" + std::to_string(i));
    }
    names.wait(kLong);
    EXPECT_LT(Clock::now() - before, milliseconds(6'000)) << behaviour;
  }
}

// Also where another runtime has answered that it knows none.
TEST_F(ContainerNamesTest, come_once_a_runtime_that_hung_answers) {
  const ContainerSocket waking = start("wake");
  ContainerNames names({waking, start("none")}, milliseconds(50));
  names.want("0a");
  names.want("0b");
  names.wait(kLong);
  EXPECT_EQ(names.find("0a"), "");
  EXPECT_TRUE(names.take_problem());
  ASSERT_TRUE(write_file_atomically(waking.path + ".awake", ""));
  EXPECT_TRUE(wait_until([&] { return names.find("0a") == "web" && names.find("0b") == "db"; }));
}

TEST_F(ContainerNamesTest, come_once_a_runtime_listens) {
  const std::string path = dir_.path() + "/ok.sock";
  ContainerNames names({{.path = path}, start("none")}, milliseconds(50));
  names.want("0a");
  names.wait(kLong);
  EXPECT_EQ(names.find("0a"), "");
  (void)start("ok");
  EXPECT_TRUE(wait_until([&] { return names.find("0a") == "web"; }));
}

TEST_F(ContainerNamesTest, are_not_asked_again_of_a_runtime_that_knows_none) {
  const ContainerSocket none = start("none");
  ContainerNames names({none, nobody()}, milliseconds(1));
  names.want("0a");
  names.wait(kLong);
  EXPECT_EQ(runtime().read_line(), "asked 0a");
  names.want("0c");
  names.wait(kLong);
  EXPECT_EQ(runtime().read_line(), "asked 0c");
}

TEST_F(ContainerNamesTest, end_while_a_runtime_hangs) {
  const ContainerSocket socket = start("hang");
  const auto before = Clock::now();
  {
    ContainerNames names({socket});
    names.want("0a");
    EXPECT_EQ(runtime().read_line(), "asked 0a");
  }
  EXPECT_LT(Clock::now() - before, milliseconds(2'000));
}

TEST_F(ContainerNamesTest, lead_to_ids) {
  const ContainerSocket socket = start("ok");
  const auto named = ask_container(socket, "web");
  ASSERT_TRUE(named) << named.error().what;
  ASSERT_TRUE(*named);
  EXPECT_EQ((*named)->id, "0a");
  const auto none = ask_container(socket, "nobody");
  ASSERT_TRUE(none) << none.error().what;
  EXPECT_FALSE(*none);
}

}  // namespace
}  // namespace waggle
