// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "userspace/cli/option_values.h"

namespace waggle {
namespace {

using testing::ElementsAre;

constexpr auto kOptions = std::to_array<Option>({
    {.name = "speed",
     .letter = 's',
     .alias = "profiling-speed",
     .value = "HZ",
     .group = "Group",
     .help = "how fast"},
    {.name = "name", .letter = 'n', .value = "TEXT", .group = "Group", .help = "who"},
    {.name = "loud", .letter = 'l', .group = "Group", .help = "a flag"},
    {.name = "quick", .letter = 'q', .group = "Group", .help = "another flag"},
});
constexpr Syntax kWithCommand = {.verb = "test",
                                 .purpose = "Tests.",
                                 .takes_command = true,
                                 .options = kOptions,
                                 .examples = {},
                                 .exit_statuses = ""};
constexpr Syntax kWithoutCommand = {
    .verb = "test", .purpose = "Tests.", .options = kOptions, .examples = {}, .exit_statuses = ""};

using Words = std::vector<std::string>;

std::string error_of(const Words& words, const Syntax& syntax = kWithCommand) {
  const auto parsed = parse_arguments(syntax, words);
  return parsed ? "no error" : parsed.error().what;
}

TEST(ParseArguments, takes_every_spelling_of_a_value) {
  for (const Words& words :
       {Words{"-s", "5"}, Words{"-s5"}, Words{"--speed", "5"}, Words{"--speed=5"},
        Words{"--profiling-speed", "5"}, Words{"--profiling-speed=5"}}) {
    const auto parsed = parse_arguments(kWithCommand, words);
    ASSERT_TRUE(parsed) << words.front() << ": " << parsed.error().what;
    EXPECT_THAT(parsed->all("speed"), ElementsAre("5")) << words.front();
  }
}

TEST(ParseArguments, keeps_repeated_values_in_order_and_finds_the_last) {
  const auto parsed = parse_arguments(kWithCommand, Words{"-n", "a", "--name=b", "-nc"});
  ASSERT_TRUE(parsed) << parsed.error().what;
  EXPECT_THAT(parsed->all("name"), ElementsAre("a", "b", "c"));
  EXPECT_EQ(*parsed->find("name"), "c");
  EXPECT_EQ(parsed->find("speed"), nullptr);
  EXPECT_TRUE(parsed->all("speed").empty());
}

TEST(ParseArguments, takes_flags_bundled_behind_one_dash) {
  const auto parsed = parse_arguments(kWithCommand, Words{"-lqs5"});
  ASSERT_TRUE(parsed) << parsed.error().what;
  EXPECT_TRUE(parsed->has("loud"));
  EXPECT_TRUE(parsed->has("quick"));
  EXPECT_EQ(*parsed->find("speed"), "5");
}

TEST(ParseArguments, takes_a_single_dash_and_negative_numbers_as_values) {
  EXPECT_EQ(*parse_arguments(kWithCommand, Words{"-n", "-"})->find("name"), "-");
  EXPECT_EQ(*parse_arguments(kWithCommand, Words{"-s", "-1"})->find("speed"), "-1");
  EXPECT_EQ(*parse_arguments(kWithCommand, Words{"--speed=-1"})->find("speed"), "-1");
}

TEST(ParseArguments, leaves_the_command_alone) {
  const auto parsed = parse_arguments(kWithCommand, Words{"-l", "--", "ls", "-q", "--", "--bad"});
  ASSERT_TRUE(parsed) << parsed.error().what;
  EXPECT_TRUE(parsed->has_command);
  EXPECT_THAT(parsed->command, ElementsAre("ls", "-q", "--", "--bad"));
  EXPECT_FALSE(parsed->has("quick"));
}

TEST(ParseArguments, refuses_a_command_where_there_is_none_or_the_verb_takes_none) {
  EXPECT_EQ(error_of({"-l", "--"}), "\"--\": a command must follow");
  EXPECT_EQ(error_of({"--", "ls"}, kWithoutCommand), "\"--\": test takes no command");
}

TEST(ParseArguments, names_what_it_does_not_know) {
  EXPECT_EQ(error_of({"--bogus"}), "unknown option \"--bogus\" (see 'waggle test --help')");
  EXPECT_EQ(error_of({"--bogus=3"}), "unknown option \"--bogus\" (see 'waggle test --help')");
  EXPECT_EQ(error_of({"-x"}), "unknown option \"-x\" (see 'waggle test --help')");
  EXPECT_EQ(error_of({"-lx"}), "unknown option \"-x\" (see 'waggle test --help')");
}

TEST(ParseArguments, guesses_no_option_from_its_beginning) {
  EXPECT_EQ(error_of({"--spee", "5"}), "unknown option \"--spee\" (see 'waggle test --help')");
  EXPECT_EQ(error_of({"--lou"}), "unknown option \"--lou\" (see 'waggle test --help')");
}

TEST(ParseArguments, names_options_of_gprofiler_that_are_not_built) {
  EXPECT_EQ(error_of({"--upload-results"}), "--upload-results: not built yet");
  EXPECT_EQ(error_of({"--token=secret"}), "--token: not built yet");
  EXPECT_EQ(error_of({"-u"}), "-u: not built yet");
}

TEST(ParseArguments, tells_when_a_value_is_missing_or_too_much) {
  EXPECT_EQ(error_of({"-s"}), "--speed: needs a value (--speed HZ)");
  EXPECT_EQ(error_of({"--profiling-speed"}), "--speed: needs a value (--speed HZ)");
  EXPECT_EQ(error_of({"--speed", "--loud"}), "--speed: needs a value (--speed HZ)");
  EXPECT_EQ(error_of({"-s", "-l"}), "--speed: needs a value (--speed HZ)");
  EXPECT_EQ(error_of({"--speed="}), "--speed: needs a value (--speed HZ)");
  EXPECT_EQ(error_of({"--loud=yes"}), "--loud: takes no value");
}

TEST(ParseArguments, refuses_stray_arguments) {
  EXPECT_EQ(error_of({"-l", "ls"}), "stray argument \"ls\" (a command goes after \"--\")");
  EXPECT_EQ(error_of({"ls"}, kWithoutCommand), "stray argument \"ls\"");
  EXPECT_EQ(error_of({""}, kWithoutCommand), "stray argument \"\"");
  EXPECT_EQ(error_of({"-"}, kWithoutCommand), "stray argument \"-\"");
}

TEST(ParseArguments, shows_no_control_characters_of_its_input) {
  EXPECT_EQ(error_of({"a\x1b[31m\n"}, kWithoutCommand), "stray argument \"a?[31m?\"");
  EXPECT_EQ(error_of({"--a\x1b\n"}), "unknown option \"--a??\" (see 'waggle test --help')");
}

TEST(ParseArguments, keeps_a_message_on_one_short_line) {
  const std::string error = error_of({std::string(100'000, 'x')});
  EXPECT_LT(error.size(), 200U);
  EXPECT_EQ(error.find('\n'), std::string::npos);
}

TEST(AsksFor, sees_a_flag_before_the_dashes_only) {
  EXPECT_TRUE(asks_for("--help", Words{"-l", "--help"}));
  EXPECT_FALSE(asks_for("--help", Words{"-l", "--", "ls", "--help"}));
  EXPECT_FALSE(asks_for("--help", Words{}));
}

TEST(ParseInteger, takes_the_bounds_and_nothing_beyond) {
  EXPECT_EQ(parse_integer("n", "1", 1, 10), 1);
  EXPECT_EQ(parse_integer("n", "10", 1, 10), 10);
  EXPECT_EQ(parse_integer("n", "0", 1, 10000).error().what,
            "--n: \"0\" is out of range (1 to 10,000)");
  EXPECT_EQ(parse_integer("n", "11", 1, 10).error().what, "--n: \"11\" is out of range (1 to 10)");
  EXPECT_EQ(parse_integer("n", "99999999999999999999999", 1, 10).error().what,
            "--n: \"99999999999999999999999\" is out of range (1 to 10)");
}

TEST(ParseInteger, refuses_what_is_no_whole_number) {
  for (const std::string text : {"", "ten", "1.5", "1e3", "0x10", " 1", "1 ", "+1", "-", "1\n"}) {
    const auto number = parse_integer("n", text, 1, 10);
    ASSERT_FALSE(number) << text;
    EXPECT_NE(number.error().what.find("is not a whole number (1 to 10)"), std::string::npos)
        << number.error().what;
  }
}

TEST(WithCommas, groups_by_three) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(-1000), "-1,000");
  EXPECT_EQ(with_commas(-999), "-999");
  EXPECT_EQ(with_commas(2147483647), "2,147,483,647");
}

}  // namespace
}  // namespace waggle
