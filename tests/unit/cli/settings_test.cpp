// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "userspace/cli/agent_options.h"
#include "userspace/cli/config_file.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using Words = std::vector<std::string>;

ConfigLine line_of(std::string_view text) {
  const auto lines = parse_config(text);
  EXPECT_TRUE(lines && lines->size() == 1) << text;
  return lines->at(0);
}

TEST(ConfigFile, has_a_key_and_a_value_in_each_of_gprofilers_ways) {
  for (const auto* text :
       {"duration = 30", "duration: 30", "duration 30", "  duration=30  # comment",
        "duration = \"30\"", "duration = '30' ; comment",
        "[section]\n---\n# x\n; y\nduration =30\r"}) {
    const ConfigLine line = line_of(text);
    EXPECT_EQ(line.key, "duration") << text;
    EXPECT_EQ(line.value, "30") << text;
  }
  EXPECT_EQ(line_of("\n\nrootless").number, 3);
  EXPECT_EQ(line_of("rootless").value, std::nullopt);
  EXPECT_EQ(line_of("rootless # comment").value, std::nullopt);
  EXPECT_EQ(line_of("comm = a#b").value, "a#b");
  EXPECT_EQ(line_of("comm = \"a # b\"").value, "a # b");
  EXPECT_EQ(line_of("x =").value, "");
  EXPECT_THAT(line_of("pids = [1, 2 ,\"3\"]").values(), ElementsAre("1", "2", "3"));
  EXPECT_FALSE(parse_config("= 3"));
}

Settings settings_of(const Words& words, const SettingSources& sources) {
  auto settings = merge_settings(agent_syntax(), words, sources);
  EXPECT_TRUE(settings) << settings.error().what;
  return settings.value_or(Settings{});
}
std::string error_of(const SettingSources& sources) {
  auto settings = merge_settings(agent_syntax(), Words{"-o", "x"}, sources);
  if (!settings) {
    return settings.error().what;
  }
  auto options = read_agent_options(settings->values);
  return options ? "no error" : settings->place(options.error()).what;
}

TEST(Settings, of_the_command_line_win_over_the_environment_and_that_over_files) {
  const SettingSources sources = {
      .environment = {"GPROFILER_PROFILING_FREQUENCY=20", "GPROFILER_PROFILING_DURATION=20",
                      "WAGGLE_DURATION=30", "WAGGLE_SOMETHING=1", "PATH=/bin"},
      .files = {{.path = "first", .text = "comm = [a, b]\npid-file = one\nlog-file = one"},
                {.path = "second", .text = "pid-file = two\nduration = 50\nrootless"}}};
  const Settings settings = settings_of({"-F", "10", "--log-file", "mine"}, sources);
  EXPECT_EQ(*settings.values.find("frequency"), "10");
  EXPECT_EQ(*settings.values.find("duration"), "30");
  EXPECT_EQ(*settings.values.find("pid-file"), "two");
  EXPECT_THAT(settings.values.all("log-file"), ElementsAre("mine"));
  EXPECT_THAT(settings.values.all("comm"), ElementsAre("a", "b"));
  EXPECT_TRUE(settings.values.has("rootless"));
}

TEST(Settings, that_turn_a_flag_off_hide_what_turns_it_on) {
  const SettingSources sources = {.environment = {"GPROFILER_ROOTLESS=False"},
                                  .files = {{.path = "f", .text = "rootless = yes\nthreads=YES"}}};
  const Settings settings = settings_of({}, sources);
  EXPECT_FALSE(settings.values.has("rootless"));
  EXPECT_TRUE(settings.values.has("threads"));
}

TEST(Settings, that_are_wrong_are_told_with_their_place) {
  EXPECT_EQ(error_of({.environment = {}, .files = {{.path = "c.ini", .text = "\nspeed = 3"}}}),
            "c.ini:2: unknown key \"speed\"");
  EXPECT_EQ(error_of({.environment = {}, .files = {{.path = "c.ini", .text = "token = 3"}}}),
            "c.ini:1: token: not built yet");
  EXPECT_EQ(error_of({.environment = {"GPROFILER_TOKEN=secret"}, .files = {}}),
            "GPROFILER_TOKEN: not built yet");
  EXPECT_EQ(error_of({.environment = {"WAGGLE_DURATION=x"}, .files = {}}),
            "WAGGLE_DURATION: \"x\" is not a whole number (1 to 86,400)");
  EXPECT_EQ(error_of({.environment = {}, .files = {{.path = "c", .text = "frequency"}}}),
            "c:1: frequency: needs a value");
  EXPECT_EQ(error_of({.environment = {"WAGGLE_ROOTLESS=maybe"}, .files = {}}),
            "WAGGLE_ROOTLESS: \"maybe\" is neither true nor false");
}

TEST(Settings, say_nothing_where_a_variable_is_empty) {
  const SettingSources sources = {
      .environment = {"WAGGLE_ROOTLESS=", "WAGGLE_PIDS=", "GPROFILER_LOG_USAGE="},
      .files = {{.path = "f", .text = "pids = 7"}}};
  const Settings settings = settings_of({}, sources);
  EXPECT_FALSE(settings.values.has("rootless"));
  EXPECT_THAT(settings.values.all("pids"), ElementsAre("7"));
}

TEST(Settings, of_what_is_not_built_yet_may_switch_it_off) {
  const Settings settings =
      settings_of({}, {.environment = {"GPROFILER_LOG_USAGE=false"},
                       .files = {{.path = "f", .text = "upload-results = no"}}});
  EXPECT_TRUE(settings.values.values.empty());
  EXPECT_EQ(error_of({.environment = {"GPROFILER_LOG_USAGE=true"}, .files = {}}),
            "GPROFILER_LOG_USAGE: not built yet");
}

TEST(AgentOptions, check_each_value_that_is_given) {
  const auto error = [](const Words& words) {
    auto parsed = parse_arguments(agent_syntax(), words);
    const auto options = read_agent_options(*parsed);
    return options ? "no error" : options.error().what;
  };
  EXPECT_EQ(error({"-o", "x", "-d", "abc", "-d", "1"}),
            "--duration: \"abc\" is not a whole number (1 to 86,400)");
  EXPECT_EQ(error({"-o", "x", "--perf-mode", "none", "--perf-mode", "x", "--perf-mode", "fp"}),
            "--perf-mode: \"x\" is none of fp, dwarf, smart, disabled, none");
  // The last one holds, whatever another would go with.
  EXPECT_EQ(error({"-o", "x", "--no-java", "--mode", "allocation", "--mode", "cpu"}), "no error");
  EXPECT_EQ(error({"-o", "x", "--perf-use-cgroups", "--perf-max-cgroups", "5", "--perf-max-cgroups",
                   "6"}),
            "no error");
  EXPECT_EQ(error({"-o", "x", "-p", "1", "-p", "2"}), "no error");
}

TEST(AgentOptions, are_those_of_gprofiler) {
  const auto read = [](const Words& words) {
    auto parsed = parse_arguments(agent_syntax(), words);
    EXPECT_TRUE(parsed) << parsed.error().what;
    return read_agent_options(*parsed);
  };
  const auto usual = read({"-o", "out"});
  ASSERT_TRUE(usual);
  EXPECT_EQ(usual->duration_s, 60);
  EXPECT_EQ(usual->recording.frequency_hz, 11);
  EXPECT_TRUE(usual->has_flame_graph);
  EXPECT_EQ(usual->pid_file, "/run/waggle/agent.pid");

  const auto all = read({"-cvf",
                         "20",
                         "-d3",
                         "--output-dir=out",
                         "--no-flamegraph",
                         "--rotating-output",
                         "--pids",
                         "5,7",
                         "--pid-file",
                         "p",
                         "--log-file",
                         "l",
                         "--log-rotate-max-size",
                         "10000",
                         "--log-rotate-backup-count",
                         "0",
                         "--heartbeat-file",
                         "h",
                         "--controller-pid",
                         "3",
                         "--rootless",
                         "--disable-pidns-check",
                         "--dont-disable-core-files",
                         "--mode",
                         "cpu"});
  ASSERT_TRUE(all) << all.error().what;
  EXPECT_EQ(all->recording.frequency_hz, 20);
  EXPECT_EQ(all->duration_s, 3);
  EXPECT_EQ(all->output_dir, "out");
  EXPECT_FALSE(all->has_flame_graph);
  EXPECT_TRUE(all->is_output_rotating);
  EXPECT_THAT(all->recording.pids, ElementsAre(5, 7));
  EXPECT_EQ(all->log_max_bytes, 10000U);
  EXPECT_EQ(all->log_old_count, 0U);
  EXPECT_EQ(all->controller_pid, 3);
  EXPECT_TRUE(all->is_rootless);
  EXPECT_FALSE(all->checks_pid_namespace);
  EXPECT_FALSE(all->disables_core_files);
  EXPECT_EQ(read({"-o", "out", "--mode", "none"})->recording.mode, ProfilingMode::none);
  EXPECT_EQ(read({}).error().what,
            "Must pass at least one output method (--upload-results / --output-dir)");
}

// A verb that takes options of another has each once.
TEST(AgentOptions, have_one_name_and_letter_each) {
  std::vector<std::string> names;
  for (const Option& option : agent_syntax().options) {
    names.emplace_back(option.name);
    names.emplace_back(option.alias);
    for (const char letter : {option.letter, option.other_letter}) {
      names.emplace_back(letter == '\0' ? "" : std::string("-") + letter);
    }
  }
  std::erase(names, "");
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

}  // namespace
}  // namespace waggle
