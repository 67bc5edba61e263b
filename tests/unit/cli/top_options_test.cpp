// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/top_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "userspace/cli/help.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

Result<TopOptions> read(const Words& words) {
  const ParsedArguments parsed = TRY(parse_arguments(top_syntax(), words));
  return read_top_options(parsed);
}

std::string error_of(const Words& words) {
  const auto options = read(words);
  return options ? "no error" : options.error().what;
}

TEST(TopOptions, show_functions_of_the_host_without_end_by_default) {
  const auto options = read({});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->view.by, LiveBy::functions);
  EXPECT_EQ(options->view.order, LiveOrder::self);
  EXPECT_EQ(options->delay_s, 1);
  EXPECT_EQ(options->duration_s, std::nullopt);
  EXPECT_EQ(options->recording.frequency_hz, 99);
  EXPECT_EQ(options->recording.engine, Engine::ebpf);
}

TEST(TopOptions, take_those_of_a_recording) {
  const auto options = read({"-p", "12,13", "-F", "49", "--by", "containers", "--sort", "total",
                             "--filter", "x", "--delay", "2", "-d", "10", "-n", "7", "--plain"});
  ASSERT_TRUE(options) << options.error().what;
  EXPECT_THAT(options->recording.pids, ElementsAre(12, 13));
  EXPECT_EQ(options->recording.frequency_hz, 49);
  EXPECT_EQ(options->view.by, LiveBy::containers);
  EXPECT_EQ(options->view.order, LiveOrder::total);
  EXPECT_EQ(options->view.filter, "x");
  EXPECT_EQ(options->delay_s, 2);
  EXPECT_EQ(options->duration_s, 10);
  EXPECT_EQ(options->rows, 7);
  EXPECT_TRUE(options->is_plain);
}

TEST(TopOptions, select_as_a_recording_does) {
  const auto options = read({"--cri-socket", "/x.sock", "--perf-use-cgroups", "--perf-max-cgroups",
                             "3", "--perf-max-docker-containers", "2", "--dry-run"});
  ASSERT_TRUE(options) << options.error().what;
  EXPECT_THAT(options->recording.cri_sockets, ElementsAre("/x.sock"));
  EXPECT_TRUE(options->recording.ranks_cgroups);
  EXPECT_EQ(options->recording.ranking.cgroups, 3U);
  EXPECT_EQ(options->recording.ranking.containers, 2U);
  EXPECT_TRUE(options->recording.is_dry_run);
}

TEST(TopOptions, name_what_is_wrong) {
  EXPECT_THAT(error_of({"--by", "threads"}), HasSubstr("--by: \"threads\""));
  EXPECT_THAT(error_of({"--sort", "name"}), HasSubstr("--sort"));
  EXPECT_THAT(error_of({"--delay", "0"}), HasSubstr("--delay"));
  EXPECT_THAT(error_of({"--delay", "61"}), HasSubstr("--delay"));
  EXPECT_THAT(error_of({"-d", "-1"}), HasSubstr("--duration"));
  EXPECT_THAT(error_of({"--rows", "0"}), HasSubstr("--rows"));
  EXPECT_THAT(error_of({"-F", "0"}), HasSubstr("--frequency"));
  EXPECT_THAT(error_of({"-o", "x.html"}), HasSubstr("-o"));
  EXPECT_THAT(error_of({"stray"}), HasSubstr("stray"));
}

TEST(TopOptions, leave_out_what_a_look_cannot_have) {
  const std::string help = help_text(top_syntax());
  EXPECT_THAT(help, HasSubstr("--cgroup"));
  EXPECT_THAT(help, Not(HasSubstr("--output")));
  EXPECT_THAT(help, Not(HasSubstr("--engine")));
}

}  // namespace
}  // namespace waggle
