// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/linux_perf/inspector_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace waggle {
namespace {

using testing::HasSubstr;
using testing::Optional;

TEST(InspectorList, has_the_id_of_what_can_be_connected_to) {
  EXPECT_EQ(
      parse_inspector_list(R"([{"id": "0f11dac7-44c8-4d7d-9b1b-8180c7b43fc7", "type": "node"}])"),
      "0f11dac7-44c8-4d7d-9b1b-8180c7b43fc7");
}

TEST(InspectorList, is_not_believed_where_it_is_none_or_its_id_no_part_of_a_path) {
  const std::string long_id(65, 'a');
  for (const std::string& text :
       {std::string(), std::string("<html>"), std::string("{}"), std::string("[]"),
        std::string("[3]"), std::string(R"([{"id":3}])"), std::string(R"([{"id":""}])"),
        std::string(R"([{"id":"../x"}])"), std::string(R"([{"id":"a b"}])"),
        std::string(R"([{"id":"a\r\nHost: x"}])"), R"([{"id":")" + long_id + R"("}])"}) {
    EXPECT_FALSE(parse_inspector_list(text)) << text;
  }
}

TEST(Evaluation, gives_the_text_of_its_own_call_alone) {
  const std::string reply = R"({"id":2,"result":{"result":{"type":"string","value":"started"}}})";
  EXPECT_THAT(parse_evaluation(reply, 2).value(), Optional(std::string("started")));
  EXPECT_EQ(parse_evaluation(reply, 1).value(), std::nullopt);
  EXPECT_EQ(parse_evaluation(R"({"method":"Runtime.consoleAPICalled"})", 2).value(), std::nullopt);
}

TEST(Evaluation, tells_the_first_line_of_what_was_thrown_without_control_characters) {
  const std::string reply =
      R"({"id":1,"result":{"result":{"type":"object"},"exceptionDetails":{"text":"Uncaught",)"
      R"("exception":{"description":"Error: \u001b[31mno such file\n    at <anonymous>:1:9"}}}})";
  const auto thrown = parse_evaluation(reply, 1);
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().what, "Error: ?[31mno such file");
}

TEST(Evaluation, is_not_believed_where_it_is_no_text_and_no_exception) {
  for (const char* text : {"", "[]", R"({"id":1})", R"({"id":1,"result":3})",
                           R"({"id":1,"result":{"result":{"type":"number","value":3}}})"}) {
    EXPECT_FALSE(parse_evaluation(text, 1)) << text;
  }
  const auto refused = parse_evaluation(R"({"id":1,"error":{"message":"no such method"}})", 1);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("no such method"));
}

TEST(Evaluation, is_asked_for_with_whatever_the_expression_holds) {
  const auto call = nlohmann::json::parse(make_evaluation(7, "'\"\\\n'"));
  EXPECT_EQ(call["id"], 7);
  EXPECT_EQ(call["params"]["expression"], "'\"\\\n'");
}

TEST(NodeDescription, is_read_of_what_the_script_gives) {
  const auto node =
      parse_node_description(R"({"pid":17,"version":"20.20.2","place":"/tmp/waggle-1"})");
  ASSERT_TRUE(node);
  EXPECT_EQ(node->pid, 17U);
  EXPECT_EQ(node->major, 20);
  EXPECT_EQ(node->place, "/tmp/waggle-1");
  EXPECT_EQ(parse_node_description(R"({"pid":1,"version":"22.1.0"})")->place, "");
}

TEST(NodeDescription, is_not_believed_without_a_pid_or_a_version) {
  for (const char* text :
       {"", "3", "{}", R"({"pid":-1,"version":"20.0.0"})", R"({"pid":"1","version":"20.0.0"})",
        R"({"pid":1,"version":"x"})", R"({"pid":1})"}) {
    EXPECT_FALSE(parse_node_description(text)) << text;
  }
}

}  // namespace
}  // namespace waggle
