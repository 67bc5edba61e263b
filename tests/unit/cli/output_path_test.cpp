// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/output_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waggle {
namespace {

using testing::ElementsAre;
using Paths = std::vector<std::string>;

constexpr auto kHtml = OutputFormat::html;
constexpr auto kCol = OutputFormat::col;

std::string error_of(const Paths& paths, std::optional<OutputFormat> format = {}) {
  const auto outputs = choose_outputs(paths, format);
  return outputs ? "no error" : outputs.error().what;
}

TEST(ChooseOutputs, lets_the_ending_choose) {
  EXPECT_THAT(choose_outputs(Paths{"a.html", "b.d/c.col"}, {}).value(),
              ElementsAre(OutputTarget{"a.html", kHtml}, OutputTarget{"b.d/c.col", kCol}));
}

TEST(ChooseOutputs, writes_html_under_a_default_name_unless_told_otherwise) {
  EXPECT_THAT(choose_outputs({}, {}).value(), ElementsAre(OutputTarget{"", kHtml}));
  EXPECT_THAT(choose_outputs({}, kCol).value(), ElementsAre(OutputTarget{"", kCol}));
}

TEST(ChooseOutputs, writes_col_to_stdout_unless_told_otherwise) {
  const auto outputs = choose_outputs(Paths{"-"}, {});
  EXPECT_THAT(outputs.value(), ElementsAre(OutputTarget{"-", kCol}));
  EXPECT_TRUE(outputs->front().is_stdout());
  EXPECT_THAT(choose_outputs(Paths{"-"}, kHtml).value(), ElementsAre(OutputTarget{"-", kHtml}));
}

TEST(ChooseOutputs, refuses_endings_it_does_not_know) {
  EXPECT_EQ(error_of({"a.txt"}), "--output: \"a.txt\" must end in .html or .col");
  EXPECT_EQ(error_of({"a.pb.gz"}), "--output: \"a.pb.gz\" must end in .html or .col");
  EXPECT_EQ(error_of({"html"}), "--output: \"html\" must end in .html or .col");
  EXPECT_EQ(error_of({""}), "--output: \"\" must end in .html or .col");
  EXPECT_EQ(error_of({"a.col", "b"}), "--output: \"b\" must end in .html or .col");
  EXPECT_EQ(error_of({"a.COL"}, kCol), "--output: \"a.COL\" must end in .html or .col");
}

TEST(ChooseOutputs, refuses_a_format_against_the_ending) {
  EXPECT_EQ(error_of({"a.html"}, kCol), "--format: col is against the ending of \"a.html\"");
  EXPECT_EQ(error_of({"a.html", "b.col"}, kHtml),
            "--format: html is against the ending of \"b.col\"");
  EXPECT_EQ(error_of({"a.html"}, kHtml), "no error");
}

TEST(ChooseOutputs, refuses_one_path_twice) {
  EXPECT_EQ(error_of({"a.col", "b.col", "a.col"}), "--output: \"a.col\" is given twice");
  EXPECT_EQ(error_of({"-", "-"}), "--output: \"-\" is given twice");
}

TEST(ParseOutputFormat, points_gprofilers_rate_to_its_letter) {
  EXPECT_EQ(parse_output_format("html"), kHtml);
  EXPECT_EQ(parse_output_format("col"), kCol);
  EXPECT_EQ(parse_output_format("svg").error().what, "--format: \"svg\" is none of html, col");
  EXPECT_EQ(parse_output_format("").error().what, "--format: \"\" is none of html, col");
  EXPECT_EQ(parse_output_format("99").error().what,
            "--format: \"99\" is none of html, col (the rate is -F)");
}

TEST(DefaultOutputName, is_utc_without_colons) {
  const auto end = std::chrono::system_clock::from_time_t(1738367998);
  EXPECT_EQ(default_output_name(end, kHtml), "waggle_2025-01-31T23-59-58.html");
  EXPECT_EQ(default_output_name(end + std::chrono::milliseconds(999), kCol),
            "waggle_2025-01-31T23-59-58.col");
}

}  // namespace
}  // namespace waggle
