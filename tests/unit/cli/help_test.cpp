// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "userspace/cli/record_options.h"

namespace waggle {
namespace {

using testing::HasSubstr;

TEST(HelpText, fits_eighty_columns) {
  const std::string text = help_text(record_syntax());
  for (const std::string_view line : split(text, '\n')) {
    EXPECT_LE(line.size(), 80U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
}

TEST(HelpText, shows_every_option_with_letter_alias_and_value) {
  const std::string text = help_text(record_syntax());
  for (const Option& option : record_syntax().options) {
    EXPECT_THAT(text, HasSubstr("--" + std::string(option.name)));
    EXPECT_THAT(text, HasSubstr(std::string(option.value)));
  }
  EXPECT_THAT(text, HasSubstr("  -d, --duration SECONDS"));
  EXPECT_THAT(text, HasSubstr("(also --profiling-frequency)"));
  EXPECT_THAT(text, HasSubstr("  -h, --help"));
}

TEST(HelpText, has_examples_that_parse_and_the_exit_statuses) {
  const std::string text = help_text(record_syntax());
  for (const Example& example : record_syntax().examples) {
    EXPECT_THAT(text, HasSubstr(std::string(example.command)));
    std::vector<std::string> words;
    for (const std::string_view word : split(example.command, ' ')) {
      words.emplace_back(word);
    }
    ASSERT_GE(words.size(), 2U);
    EXPECT_EQ(words[0] + " " + words[1], "waggle record");
    const auto options = parse_record_options(std::span(words).subspan(2));
    EXPECT_TRUE(options) << example.command << ": " << options.error().what;
  }
  for (const std::string status : {"  0  ", "  1  ", "  2  ", "  3  ", "  4  "}) {
    EXPECT_THAT(text, HasSubstr("\n" + status));
  }
}

TEST(Wrapped, breaks_at_blanks_and_keeps_long_words_whole) {
  EXPECT_EQ(wrapped("aa bb cc", 5, 0, 0), "aa bb\ncc");
  EXPECT_EQ(wrapped("aa bb cc", 6, 2, 2), "aa\n  bb\n  cc");
  EXPECT_EQ(wrapped("long_word b", 4, 1, 1), "long_word\n b");
  EXPECT_EQ(wrapped("", 4, 1, 1), "");
}

}  // namespace
}  // namespace waggle
