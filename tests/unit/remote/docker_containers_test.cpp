// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/docker_containers.h"

#include <gtest/gtest.h>

#include <string>

namespace waggle {
namespace {

TEST(DockerContainer, takes_id_and_name_without_the_slash) {
  const auto docker =
      parse_docker_container(R"({"Id":"0a1b","Created":"x","Name":"/web","State":{}})");
  ASSERT_TRUE(docker);
  EXPECT_EQ(docker->id, "0a1b");
  EXPECT_EQ(docker->name, "web");
  const auto podman = parse_docker_container(R"({"Id":"0a1b","Name":"k8s_a_b-1_default_5f-1_0"})");
  ASSERT_TRUE(podman);
  EXPECT_EQ(podman->name, "k8s_a_b-1_default_5f-1_0");
}

TEST(DockerContainer, is_nothing_for_what_is_no_container) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"Id":"0a"})"),
        std::string(R"({"Name":"/web"})"), std::string(R"({"Id":"0a","Name":"/"})"),
        std::string(R"({"Id":"0a","Name":7})"), std::string(R"({"Id":["0a"],"Name":"web"})"),
        std::string(R"({"Id":"0a","Name":"a;b"})"), std::string(R"({"Id":"0a","Name":"a\nb"})"),
        std::string(R"({"Id":"../x","Name":"web"})"), std::string(R"({"Id":"0a","Name":"web")"),
        R"({"Id":"0a","Name":")" + std::string(513, 'a') + R"("})", std::string(1 << 20, '[')}) {
    EXPECT_FALSE(parse_docker_container(text)) << text.substr(0, 100);
  }
}

}  // namespace
}  // namespace waggle
