// SPDX-License-Identifier: Apache-2.0
// `waggle record` beside a made-up container runtime: shares runs in a container that it calls
// "web".
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/temp_dir.h"
#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Words = std::vector<std::string>;

class ContainerNamesOfSamples : public testing::Test {
 protected:
  void SetUp() override {
    const auto hierarchies = TestCgroup::hierarchies();
    if (hierarchies.empty()) {
      GTEST_SKIP() << "no cgroup can be made here";
    }
    container_ = std::make_unique<TestCgroup>(hierarchies.front(), "docker-" + id_ + ".scope");
    container_->take(inside_.pid());
  }

  void start(const std::string& behaviour) {
    runtime_ = std::make_unique<TestProgram>(
        Words{"python3", CONTAINER_RUNTIME, socket_, behaviour, id_ + "=web"});
  }
  WaggleResult record(const Words& more) const {
    Words words{"record",
                "-d",
                "1",
                "-F",
                "199",
                "-o",
                "-",
                "--container-socket",
                socket_,
                "-p",
                fmt::format("{},{}", inside_.pid(), outside_.pid())};
    words.insert(words.end(), more.begin(), more.end());
    return run_waggle(words);
  }
  static std::string container_of_shares(const CollapsedFile& file) {
    for (const CollapsedFile::Line& line : file.lines) {
      if (line.comm == "shares") {
        return line.container;
      }
    }
    return "no sample";
  }

  const std::string id_ = "e2e4" + std::string(60, 'd');
  TempDir dir_;
  const std::string socket_ = dir_.path() + "/runtime.sock";
  std::unique_ptr<TestCgroup> container_;  // outlives what is in it
  const TestProgram inside_{{SHARES}};
  const TestProgram outside_{{RECURSION, "10"}};
  std::unique_ptr<TestProgram> runtime_;
};

TEST_F(ContainerNamesOfSamples, stand_in_the_column_and_in_the_header) {
  start("ok");
  const WaggleResult result = record({});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(container_of_shares(file), "web");
  EXPECT_THAT(file.header["containers"].get<Words>(), ElementsAre("web"));
  EXPECT_EQ(file.header["container_names_enabled"], true);
  EXPECT_TRUE(file.adds_up());
  EXPECT_EQ(runtime_->read_line(), "asked " + id_);
}

TEST_F(ContainerNamesOfSamples, are_not_asked_when_they_are_disabled) {
  start("ok");
  const WaggleResult result = record({"--disable-container-names"});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(container_of_shares(file), id_);
  EXPECT_EQ(file.header["container_names_enabled"], false);
  EXPECT_EQ(result.err.find("continuing with containers' ids"), std::string::npos) << result.err;
}

TEST_F(ContainerNamesOfSamples, choose_what_is_recorded) {
  start("ok");
  const WaggleResult result = record({"--container", "web"});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_GT(file.count_of("shares"), 0U);
  EXPECT_EQ(file.count_of("shares"), file.total());
  const WaggleResult none = record({"--container", "nobody"});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("--container \"nobody\": no container is called so"));
}

TEST_F(ContainerNamesOfSamples, are_done_without_where_the_runtime_misbehaves) {
  for (const std::string behaviour : {"hang", "slow", "huge", "garbage", "forged"}) {
    start(behaviour);
    const WaggleResult result = record({});
    ASSERT_EQ(result.status, 0) << behaviour << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_EQ(container_of_shares(file), id_) << behaviour;
    EXPECT_THAT(result.err, HasSubstr("continuing with containers' ids")) << behaviour;
    EXPECT_LT(file.header["waggle"]["duration_s"].get<double>(), 1.5) << behaviour;
    EXPECT_TRUE(file.adds_up()) << behaviour;
    runtime_.reset();
    (void)::unlink(socket_.c_str());
  }
}

TEST_F(ContainerNamesOfSamples, are_missed_once_where_no_runtime_listens) {
  const WaggleResult result = record({});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(container_of_shares(CollapsedFile::parse(result.out)), id_);
  EXPECT_THAT(result.err, HasSubstr("no container runtime listens at " + socket_));
}

}  // namespace
}  // namespace waggle
