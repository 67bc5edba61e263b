// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/profile_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace waggle {
namespace {

using nlohmann::ordered_json;
using testing::ElementsAre;

std::vector<std::string> keys_of(const ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& item : object.items()) {
    keys.push_back(item.key());
  }
  return keys;
}

ordered_json parse(const ProfileHeader& header) {
  return ordered_json::parse(render_header(header));
}

TEST(ProfileHeader, has_the_keys_of_the_format_in_order) {
  EXPECT_THAT(keys_of(parse({})),
              ElementsAre("containers", "container_names_enabled", "metadata", "metrics",
                          "application_metadata", "application_metadata_enabled", "profiling_mode",
                          "hwmetrics", "htmlblob", "flamegraph_html", "waggle"));
  EXPECT_THAT(
      keys_of(parse({})["waggle"]),
      ElementsAre("version", "kernel", "start_time", "end_time", "engine", "engine_reason", "event",
                  "frequency", "duration_s", "paused_s", "samples", "lost", "added", "throttled",
                  "truncated", "excluded", "tools", "command_status", "overhead"));
}

TEST(ProfileHeader, of_nothing_has_the_values_that_stand_for_nothing) {
  const ordered_json object = parse({});
  EXPECT_EQ(object["containers"].dump(), "[]");
  EXPECT_EQ(object["metadata"].dump(), "{}");
  EXPECT_EQ(object["metrics"].dump(), R"({"cpu_avg":null,"mem_avg":null})");
  EXPECT_EQ(object["application_metadata"].dump(), "[null]");
  EXPECT_EQ(object["application_metadata_enabled"], true);
  EXPECT_EQ(object["profiling_mode"], "cpu");
  EXPECT_TRUE(object["hwmetrics"].is_null());
  EXPECT_EQ(object["waggle"]["lost"].dump(), "{}");
  EXPECT_EQ(object["waggle"]["excluded"].dump(), "[]");
  EXPECT_TRUE(object["waggle"]["command_status"].is_null());
}

TEST(ProfileHeader, carries_what_it_is_given) {
  ProfileHeader header;
  header.containers = {"web-1"};
  header.application_metadata = {R"({"exe":"/a"})", "{"};
  header.application_metadata_enabled = false;
  header.metadata = {{"hostname", R"("h")"}, {"processors", "2"}, {"odd", "{"}};
  header.cpu_avg = 12.5;
  header.facts.frequency = 99;
  header.facts.samples = 1'000'000'000'000;
  header.facts.lost = {{"ring_full", 3}, {"no_memory", 0}};
  header.facts.excluded = {"2 processes: --max-processes"};
  header.facts.tools = {{"py-spy", "ok"}};
  header.facts.command_status = 3;
  header.facts.overhead = {0.5, 1024, 2048};
  const ordered_json object = parse(header);
  EXPECT_EQ(object["containers"].dump(), R"(["web-1"])");
  EXPECT_EQ(object["metadata"].dump(), R"({"hostname":"h","processors":2,"odd":"{"})");
  EXPECT_EQ(object["application_metadata"].dump(), R"([null,{"exe":"/a"},null])");
  EXPECT_EQ(object["application_metadata_enabled"], false);
  EXPECT_EQ(object["metrics"].dump(), R"({"cpu_avg":12.5,"mem_avg":null})");
  const ordered_json& facts = object["waggle"];
  EXPECT_EQ(facts["frequency"].dump(), "99");
  EXPECT_EQ(facts["samples"], 1'000'000'000'000);
  EXPECT_EQ(facts["lost"].dump(), R"({"ring_full":3,"no_memory":0})");
  EXPECT_EQ(facts["excluded"].size(), 1U);
  EXPECT_EQ(facts["tools"].dump(), R"({"py-spy":"ok"})");
  EXPECT_EQ(facts["command_status"], 3);
  EXPECT_EQ(facts["overhead"].dump(), R"({"cpu_s":0.5,"rss_bytes":1024,"bpf_map_bytes":2048})");
}

TEST(ProfileHeader, is_one_line_of_valid_json_whatever_the_texts) {
  ProfileHeader header;
  header.containers = {"a\nb\xff\"\\"};
  header.facts.engine_reason = "\xed\xa0\x80\r\n";
  const std::string text = render_header(header);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_TRUE(ordered_json::accept(text)) << text;
}

}  // namespace
}  // namespace waggle
