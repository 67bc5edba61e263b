// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/check_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>

#include "base/text.h"

namespace waggle {
namespace {

using testing::HasSubstr;

const auto kItems = std::to_array<CheckItem>({
    {.status = CheckStatus::ok, .item = "kernel", .detail = "6.1", .lost = "", .remedy = ""},
    {.status = CheckStatus::limited,
     .item = "kptr_restrict",
     .detail = "2",
     .lost = "names",
     .remedy = "sysctl"},
    {.status = CheckStatus::missing,
     .item = "py-spy",
     .detail = "not found",
     .lost = "Python",
     .remedy = "pip install py-spy"},
});

CheckReport report_of(std::span<const CheckItem> items) {
  return {.version = "1.2.3", .kernel = "6.1", .items = items};
}

TEST(RenderChecks, aligns_one_line_per_item) {
  EXPECT_EQ(render_checks(report_of(kItems)),
            "ok       kernel         6.1\n"
            "limited  kptr_restrict  2; lost: names; remedy: sysctl\n"
            "missing  py-spy         not found; lost: Python; remedy: pip install py-spy\n"
            "\n"
            "waggle record can run here.\n");
}

TEST(RenderChecks, continues_long_items_in_their_own_column) {
  auto items = kItems;
  for (int i = 0; i < 30; ++i) {
    items[0].detail += " word" + std::to_string(i);
  }
  const std::string text = render_checks(report_of(items));
  const auto lines = split(text, '\n');
  ASSERT_GT(lines.size(), 7U);
  EXPECT_TRUE(lines[1].starts_with(std::string(24, ' ') + "word")) << lines[1];
  for (const std::string_view line : lines) {
    EXPECT_LE(line.size(), 100U) << line;
  }
}

TEST(RenderChecks, shows_no_control_characters) {
  auto items = kItems;
  items[1].item = "a\x1b";
  items[1].detail = "b\nc";
  items[1].remedy = "d\x07";
  const std::string text = render_checks(report_of(items));
  EXPECT_THAT(text, HasSubstr("limited  a?"));
  EXPECT_THAT(text, HasSubstr("b?c; lost: names; remedy: d?\n"));
}

TEST(RenderChecks, tell_whether_record_can_run) {
  auto items = kItems;
  items[2].is_needed = true;
  EXPECT_FALSE(report_of(items).can_record());
  EXPECT_THAT(render_checks(report_of(items)), HasSubstr("\nwaggle record cannot run here.\n"));
  items[2].status = CheckStatus::limited;
  EXPECT_TRUE(report_of(items).can_record());
}

TEST(RenderChecksJson, holds_the_same_as_the_text) {
  auto items = kItems;
  items[2].detail = "\"quoted\" \xff";
  const auto json = nlohmann::json::parse(render_checks_json(report_of(items)));
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["kernel"], "6.1");
  EXPECT_EQ(json["can_record"], true);
  ASSERT_EQ(json["items"].size(), 3U);
  EXPECT_EQ(json["items"][0]["status"], "ok");
  EXPECT_EQ(json["items"][0]["lost"], "");
  EXPECT_EQ(json["items"][1]["item"], "kptr_restrict");
  EXPECT_EQ(json["items"][1]["lost"], "names");
  EXPECT_EQ(json["items"][2]["status"], "missing");
  EXPECT_EQ(json["items"][2]["detail"], "\"quoted\" ?");
  EXPECT_EQ(json["items"][2]["remedy"], "pip install py-spy");
}

}  // namespace
}  // namespace waggle
