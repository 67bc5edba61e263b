// SPDX-License-Identifier: Apache-2.0
#include "userspace/remote/container_runtime.h"

#include <gtest/gtest.h>

#include <string>

namespace waggle {
namespace {

TEST(ParseContainer, takes_id_and_name_without_the_slash) {
  const auto docker = parse_container(R"({"Id":"0a1b","Created":"x","Name":"/web","State":{}})");
  ASSERT_TRUE(docker);
  EXPECT_EQ(docker->id, "0a1b");
  EXPECT_EQ(docker->name, "web");
  const auto podman = parse_container(R"({"Id":"0a1b","Name":"k8s_a_b-1_default_5f-1_0"})");
  ASSERT_TRUE(podman);
  EXPECT_EQ(podman->name, "k8s_a_b-1_default_5f-1_0");
}

TEST(ParseContainer, is_nothing_for_what_is_no_container) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"Id":"0a"})"),
        std::string(R"({"Name":"/web"})"), std::string(R"({"Id":"0a","Name":"/"})"),
        std::string(R"({"Id":"0a","Name":7})"), std::string(R"({"Id":["0a"],"Name":"web"})"),
        std::string(R"({"Id":"0a","Name":"a;b"})"), std::string(R"({"Id":"0a","Name":"a\nb"})"),
        std::string(R"({"Id":"../x","Name":"web"})"), std::string(R"({"Id":"0a","Name":"web")"),
        R"({"Id":"0a","Name":")" + std::string(256, 'a') + R"("})", std::string(1 << 20, '[')}) {
    EXPECT_FALSE(parse_container(text)) << text.substr(0, 100);
  }
}

TEST(ContainerName, has_no_path_in_it) {
  EXPECT_TRUE(is_container_name("web_1.a-b"));
  for (const auto* const text : {"", ".", "..", "a/b", "-a", "a b", "a?b", "a%2fb"}) {
    EXPECT_FALSE(is_container_name(text)) << text;
  }
}

}  // namespace
}  // namespace waggle
