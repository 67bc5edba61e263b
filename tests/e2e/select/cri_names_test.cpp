// SPDX-License-Identifier: Apache-2.0
// `waggle record` beside runtimes of Kubernetes: a real containerd with a pod that Debian's busybox
// runs in, and a made-up one for what a real one does not do at a test's will.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "tests/cri_runtime.h"
#include "tests/temp_dir.h"
#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Words = std::vector<std::string>;

Words record_words(const std::string& socket, const Words& more, const std::string& seconds = "1") {
  Words words{"record", "-d", seconds, "-F", "199", "-o", "-", "--cri-socket", socket};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::set<std::string> containers_of(const CollapsedFile& file, const std::string& comm) {
  std::set<std::string> containers;
  for (const CollapsedFile::Line& line : file.lines) {
    if (line.comm == comm) {
      containers.insert(line.container);
    }
  }
  return containers;
}

class CriNamesOfSamples : public testing::Test {
 protected:
  void SetUp() override {
    const auto hierarchies = TestCgroup::hierarchies();
    if (hierarchies.empty()) {
      GTEST_SKIP() << "no cgroup can be made here";
    }
    pod_ = std::make_unique<TestCgroup>(hierarchies.front(), "kubepods-pod5f.slice");
    container_ = std::make_unique<TestCgroup>(
        hierarchies.front(), "kubepods-pod5f.slice/cri-containerd-" + id_ + ".scope");
    container_->take(inside_.pid());
    runtime_ = start_cri_runtime(socket_, "ok", {id_ + "=front,web-1,shop,5f-1,3"});
    if (runtime_ == nullptr) {
      GTEST_SKIP() << "python3-h2 is not installed";
    }
  }

  const std::string id_ = "c41e" + std::string(60, 'd');
  const std::string name_ = "k8s_front_web-1_shop_5f-1_3";
  TempDir dir_;
  const std::string socket_ = dir_.path() + "/cri.sock";
  std::unique_ptr<TestCgroup> pod_;  // they outlive what is in them
  std::unique_ptr<TestCgroup> container_;
  const TestProgram inside_{{SHARES}};
  const TestProgram outside_{{RECURSION, "10"}};
  std::unique_ptr<TestProgram> runtime_;
};

TEST_F(CriNamesOfSamples, stay_when_the_runtime_is_gone_before_the_recording_ends) {
  WaggleRun run(
      record_words(socket_, {"-p", fmt::format("{},{}", inside_.pid(), outside_.pid())}, "2"));
  EXPECT_EQ(runtime_->read_line(), id_);
  runtime_.reset();
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(containers_of(file, "shares"), ElementsAre(name_));
  EXPECT_THAT(containers_of(file, "recursion"), ElementsAre(""));
  EXPECT_THAT(file.header["containers"].get<Words>(), ElementsAre(name_));
  EXPECT_TRUE(file.adds_up());
}

TEST_F(CriNamesOfSamples, choose_what_is_recorded) {
  for (const std::string& text : {name_, std::string("front"), id_}) {
    const WaggleResult result = run_waggle(record_words(socket_, {"--container", text}));
    ASSERT_EQ(result.status, 0) << text << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_GT(file.count_of("shares"), 0U) << text;
    EXPECT_EQ(file.count_of("shares"), file.total()) << text;
  }
  const WaggleResult none = run_waggle(record_words(socket_, {"--container", "nobody"}));
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("--container \"nobody\": no container is called so; names were "
                                  "asked of " +
                                  socket_));
}

TEST_F(CriNamesOfSamples, are_done_without_where_the_runtime_misbehaves) {
  for (const std::string behaviour : {"hang", "slow", "huge", "garbage", "compressed"}) {
    runtime_.reset();
    (void)::unlink(socket_.c_str());
    runtime_ = start_cri_runtime(socket_, behaviour, {id_ + "=front,web-1,shop,5f-1,3"});
    const WaggleResult result =
        run_waggle(record_words(socket_, {"-p", std::to_string(inside_.pid())}));
    ASSERT_EQ(result.status, 0) << behaviour << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_THAT(containers_of(file, "shares"), ElementsAre(id_)) << behaviour;
    EXPECT_THAT(result.err, HasSubstr(socket_ + ": ")) << behaviour;
    EXPECT_THAT(result.err, HasSubstr("continuing with containers' ids")) << behaviour;
    EXPECT_LT(file.header["waggle"]["duration_s"].get<double>(), 1.5) << behaviour;
    EXPECT_TRUE(file.adds_up()) << behaviour;
  }
}

// Skips where containerd cannot be tried.
class PodOfContainerd : public testing::Test {
 protected:
  void SetUp() override {
    if (TestCgroup::hierarchies().empty()) {
      GTEST_SKIP() << "no cgroup can be made here";
    }
    runtime_ = std::make_unique<TestProgram>(Words{"/usr/bin/python3", CONTAINERD_POD, dir_.path(),
                                                   "front", "web-1", "shop", uid_, "3"});
    const auto words = split(runtime_->first_line(), ' ');
    if (words.front() == "skip") {
      GTEST_SKIP() << runtime_->first_line().substr(5);
    }
    ASSERT_EQ(words.size(), 3U) << runtime_->first_line();
    id_ = words[1];
    pid_ = words[2];
  }
  void TearDown() override { end(); }

  void end() {
    if (runtime_ != nullptr && !id_.empty()) {
      EXPECT_EQ(::kill(runtime_->pid(), SIGTERM), 0);
      EXPECT_EQ(runtime_->read_line(), "gone");
    }
    runtime_.reset();
  }

  const std::string uid_ = fmt::format("5f-{}", ::getpid());
  const std::string name_ = "k8s_front_web-1_shop_" + uid_ + "_3";
  TempDir dir_;
  const std::string socket_ = dir_.path() + "/containerd.sock";
  std::unique_ptr<TestProgram> runtime_;
  std::string id_;
  std::string pid_;
};

TEST_F(PodOfContainerd, is_in_samples_under_the_name_that_kubernetes_gave_it) {
  const WaggleResult result = run_waggle(record_words(socket_, {"-p", pid_}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(containers_of(file, "busybox"), ElementsAre(name_));
  EXPECT_GT(file.count_of("busybox"), 0U);
  EXPECT_EQ(result.err.find("continuing with containers' ids"), std::string::npos) << result.err;
}

TEST_F(PodOfContainerd, is_chosen_by_either_of_its_names) {
  for (const std::string& text : {name_, std::string("front")}) {
    const WaggleResult result = run_waggle(record_words(socket_, {"--container", text}));
    ASSERT_EQ(result.status, 0) << text << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_THAT(containers_of(file, "busybox"), ElementsAre(name_)) << text;
    EXPECT_EQ(file.count_of("busybox"), file.total()) << text;
  }
  const WaggleResult listed =
      run_waggle({"record", "--dry-run", "--container", "front", "--cri-socket", socket_});
  ASSERT_EQ(listed.status, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr(pid_ + " busybox"));
  const WaggleResult none = run_waggle(record_words(socket_, {"--container", "nobody"}));
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("--container \"nobody\": no container is called so"));
}

// shares is in a container of another runtime: containerd's list has no answer for it.
TEST_F(PodOfContainerd, is_the_only_one_that_containerd_names) {
  const std::string other_id = "0c41" + std::string(60, 'e');
  const TestCgroup other(TestCgroup::hierarchies().front(), "docker-" + other_id + ".scope");
  const TestProgram inside({SHARES});
  other.take(inside.pid());
  const WaggleResult result =
      run_waggle(record_words(socket_, {"-p", pid_ + "," + std::to_string(inside.pid())}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(containers_of(file, "busybox"), ElementsAre(name_));
  EXPECT_THAT(containers_of(file, "shares"), ElementsAre(other_id));
  EXPECT_EQ(result.err.find("continuing with containers' ids"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace waggle
