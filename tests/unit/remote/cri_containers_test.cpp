// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/cri_containers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "tests/cri_runtime.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "userspace/remote/container_names.h"
#include "userspace/remote/protobuf.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

std::string text_field(std::uint32_t number, std::string_view text) {
  std::string field;
  append_protobuf_text(field, number, text);
  return field;
}

std::string label(std::string_view key, std::string_view value) {
  return text_field(8, text_field(1, key) + text_field(2, value));
}

std::string pod_labels(std::string_view pod) {
  return label("io.kubernetes.pod.name", pod) + label("io.kubernetes.pod.namespace", "shop") +
         label("io.kubernetes.pod.uid", "5f-1");
}

std::string container(std::string_view id, std::string_view name, const std::string& more) {
  std::string metadata = text_field(1, name);
  append_protobuf_number(metadata, 2, 3);
  return text_field(1, text_field(1, id) + text_field(3, metadata) + more);
}

TEST(CriContainers, are_called_as_kubernetes_called_them_in_docker) {
  const auto containers = parse_cri_containers(
      container("0a", "front", pod_labels("web-1")) +
      container("0b", "by_hand", label("io.kubernetes.pod.name", "web-1") + text_field(99, "?")));
  ASSERT_TRUE(containers) << containers.error().what;
  ASSERT_EQ(containers->size(), 2U);
  EXPECT_EQ(containers->at(0).id, "0a");
  EXPECT_EQ(containers->at(0).name, "k8s_front_web-1_shop_5f-1_3");
  EXPECT_EQ(containers->at(0).name_in_pod, "front");
  EXPECT_EQ(containers->at(1).name, "by_hand");
}

TEST(CriContainers, are_none_in_an_empty_list) {
  const auto containers = parse_cri_containers("");
  ASSERT_TRUE(containers);
  EXPECT_TRUE(containers->empty());
}

TEST(CriContainers, have_no_name_where_none_could_be_so) {
  for (const std::string& message :
       {container("0a", "a;b", ""), container("0a", "a\x1b[2J", ""), container("0a", "", ""),
        container("../a", "front", ""), container("0a", std::string(600, 'a'), ""),
        container("0a", "front", pod_labels("web 1")), text_field(1, "")}) {
    const auto containers = parse_cri_containers(message);
    ASSERT_TRUE(containers) << containers.error().what;
    ASSERT_EQ(containers->size(), 1U);
    EXPECT_EQ(containers->at(0).name, "") << testing::PrintToString(message);
    EXPECT_EQ(containers->at(0).name_in_pod, "");
  }
}

TEST(CriContainers, are_refused_where_the_bytes_are_no_list) {
  const std::string whole = container("0a", "front", pod_labels("web-1"));
  EXPECT_FALSE(parse_cri_containers(whole.substr(0, whole.size() - 1)));
  EXPECT_FALSE(parse_cri_containers(text_field(1, text_field(3, "\x0a\x09x"))));
  EXPECT_FALSE(parse_cri_containers(text_field(1, text_field(8, "\x0a\x09x"))));
  std::string many;
  for (int i = 0; i < 20'000; ++i) {
    many += container("0a", "front", "");
  }
  const auto containers = parse_cri_containers(many);
  ASSERT_FALSE(containers);
  EXPECT_EQ(containers.error().what, "more than 16384 containers");
}

TEST(CriContainers, are_found_by_their_whole_name_and_by_one_that_is_the_only_one) {
  const std::vector<CriContainer> containers{
      {.id = "0a", .name = "k8s_front_web-1_shop_5f_0", .name_in_pod = "front"},
      {.id = "0b", .name = "k8s_front_web-2_shop_60_0", .name_in_pod = "front"},
      {.id = "0c", .name = "k8s_db_db-0_shop_61_0", .name_in_pod = "db"},
      {.id = "0d", .name = "", .name_in_pod = ""}};
  EXPECT_EQ((*find_cri_container(containers, "k8s_front_web-2_shop_60_0"))->id, "0b");
  EXPECT_EQ((*find_cri_container(containers, "db"))->id, "0c");
  EXPECT_FALSE(*find_cri_container(containers, "web-1"));
  EXPECT_FALSE(*find_cri_container(containers, ""));
  const auto two = find_cri_container(containers, "front");
  ASSERT_FALSE(two);
  EXPECT_EQ(two.error().what,
            "2 containers are called so, give one's whole name: k8s_front_web-1_shop_5f_0, "
            "k8s_front_web-2_shop_60_0");
}

// Knows kFront and kDb.
class CriRuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    start("ok");
    if (runtime_ == nullptr) {
      GTEST_SKIP() << "python3-h2 is not installed";
    }
  }
  // In place of the one before.
  void start(const std::string& behaviour) {
    runtime_.reset();
    (void)::unlink(socket_.path.c_str());
    runtime_ = start_cri_runtime(socket_.path, behaviour,
                                 {kFront + "=front,web-1,shop,5f-1,3", kDb + "=db,db-0,shop,60,0"});
  }

  const std::string kFront = std::string(64, 'a');
  const std::string kDb = std::string(64, 'b');
  TempDir dir_;
  const ContainerSocket socket_{.path = dir_.path() + "/cri.sock", .api = ContainerApi::cri};
  std::unique_ptr<TestProgram> runtime_;
};

TEST_F(CriRuntimeTest, is_asked_for_one_container_by_its_id) {
  const auto front = ask_container(socket_, kFront);
  ASSERT_TRUE(front) << front.error().what;
  ASSERT_TRUE(*front);
  EXPECT_EQ((*front)->id, kFront);
  EXPECT_EQ((*front)->name, "k8s_front_web-1_shop_5f-1_3");
  EXPECT_EQ(runtime_->read_line(), kFront);
  const auto none = ask_container(socket_, std::string(64, 'c'));
  ASSERT_TRUE(none) << none.error().what;
  EXPECT_FALSE(*none);
}

TEST_F(CriRuntimeTest, is_asked_for_all_that_run_for_a_name) {
  const auto database = ask_container(socket_, "db");
  ASSERT_TRUE(database) << database.error().what;
  ASSERT_TRUE(*database);
  EXPECT_EQ((*database)->id, kDb);
  EXPECT_EQ(runtime_->read_line(), "all");
  const auto none = ask_container(socket_, "nobody");
  ASSERT_TRUE(none) << none.error().what;
  EXPECT_FALSE(*none);
}

TEST_F(CriRuntimeTest, may_have_the_older_version_or_answer_in_pieces) {
  for (const std::string behaviour : {"old", "pieces"}) {
    start(behaviour);
    const auto front = ask_container(socket_, kFront);
    ASSERT_TRUE(front) << behaviour << front.error().what;
    ASSERT_TRUE(*front) << behaviour;
    EXPECT_EQ((*front)->name, "k8s_front_web-1_shop_5f-1_3") << behaviour;
  }
}

TEST_F(CriRuntimeTest, counts_as_not_there_without_the_interface) {
  start("without");
  const auto answer = ask_container(socket_, kFront);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::not_found);
  EXPECT_EQ(answer.error().what, socket_.path + ": gRPC status 12: unknown service");
}

TEST_F(CriRuntimeTest, cannot_name_another_container_than_the_one_asked_for) {
  start("other");
  const auto answer = ask_container(socket_, std::string(64, 'c'));
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_FALSE(*answer);
}

TEST_F(CriRuntimeTest, is_done_without_where_it_misbehaves) {
  for (const std::string behaviour :
       {"hang", "slow", "huge", "garbage", "forged", "compressed", "short", "two", "no_message",
        "no_status", "refusal", "headers", "unavailable", "reset", "close"}) {
    start(behaviour);
    ContainerNames names({socket_});
    const auto before = Clock::now();
    names.want(kFront);
    names.wait(milliseconds(20'000));
    EXPECT_LT(Clock::now() - before, milliseconds(5'000)) << behaviour;
    EXPECT_EQ(names.find(kFront), "") << behaviour;
    const auto problem = names.take_problem();
    ASSERT_TRUE(problem) << behaviour;
    EXPECT_THAT(*problem, HasSubstr(socket_.path)) << behaviour;
  }
}

TEST_F(CriRuntimeTest, says_what_was_wrong_with_its_answer) {
  for (const auto& [behaviour, reason] :
       {std::pair("compressed", "the answer is compressed, which was not asked for"),
        std::pair("no_message", "the answer has no message"),
        std::pair("no_status", "the answer has no gRPC status"),
        std::pair("refusal", "gRPC status 13: out of order"),
        std::pair("unavailable", "status 503"),
        std::pair("garbage", "the answer is no list of containers"),
        std::pair("huge", "the answer is larger than 1048576 bytes"),
        std::pair("forged", "the answer has no container's name")}) {
    start(behaviour);
    const auto answer = ask_container(socket_, kFront);
    ASSERT_FALSE(answer) << behaviour;
    EXPECT_EQ(answer.error().what, socket_.path + ": " + reason) << behaviour;
  }
}

TEST_F(CriRuntimeTest, is_left_alone_when_one_must_stop) {
  start("hang");
  const std::stop_source stop;
  stop.request_stop();
  const auto before = Clock::now();
  EXPECT_FALSE(ask_container(socket_, kFront, stop.get_token()));
  EXPECT_LT(Clock::now() - before, milliseconds(900));
}

// A socket of Docker's that is taken for one of Kubernetes'.
TEST_F(CriRuntimeTest, is_none_where_http_1_is_spoken) {
  const std::string path = dir_.path() + "/docker.sock";
  const TestProgram docker({"python3", CONTAINER_RUNTIME, path, "ok", "0a=web"});
  const auto answer = ask_container({.path = path, .api = ContainerApi::cri}, kFront);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().what, HasSubstr(path + ": "));
}

TEST_F(CriRuntimeTest, is_asked_after_docker_which_knows_some_of_its_containers) {
  const std::string docker_path = dir_.path() + "/docker.sock";
  const TestProgram docker({"python3", CONTAINER_RUNTIME, docker_path, "ok", kFront + "=web"});
  ContainerNames names({{.path = docker_path, .api = ContainerApi::docker}, socket_});
  names.want(kFront);
  names.want(kDb);
  names.wait(milliseconds(20'000));
  EXPECT_EQ(names.find(kFront), "web");
  EXPECT_EQ(names.find(kDb), "k8s_db_db-0_shop_60_0");
  EXPECT_FALSE(names.take_problem());
}

}  // namespace
}  // namespace waggle
