// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/collapsed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/text.h"

namespace waggle {
namespace {

using testing::ElementsAre;

// A reader of the format, written from its description alone.
struct ParsedLine {
  std::vector<std::string> fields;
  std::uint64_t count = 0;
};

ParsedLine parse_line(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  EXPECT_NE(space, std::string_view::npos) << line;
  ParsedLine parsed;
  for (const std::string_view field : split(line.substr(0, space), ';')) {
    parsed.fields.emplace_back(field);
  }
  const auto count = parse_number<std::uint64_t>(line.substr(space + 1));
  EXPECT_TRUE(count) << line;
  parsed.count = count.value_or(0);
  return parsed;
}

TEST(Collapsed, writes_the_header_then_sorted_lines_root_first) {
  Profile profile;
  const auto none = profile.intern("");
  const auto web = profile.intern("web-1");
  const auto zsh = profile.intern("zsh");
  const auto app = profile.intern("app");
  const auto main = profile.intern("main");
  const auto read = profile.intern("vfs_read_[k]");
  profile.add({none, zsh, {}}, 7);
  profile.add({web, app, {main, read}}, 2);
  profile.add({none, app, {main}}, 1);
  EXPECT_EQ(render_collapsed(profile, R"({"a":1})"),
            "# {\"a\":1}\n"
            "0;;app;main 1\n"
            "0;;zsh 7\n"
            "0;web-1;app;main;vfs_read_[k] 2");
}

TEST(Collapsed, begins_lines_with_the_number_of_their_application) {
  Profile profile;
  const auto facts = std::make_shared<const ApplicationFacts>(ApplicationFacts{"{}", ""});
  profile.add({.container = profile.intern(""),
               .comm = profile.intern("app"),
               .frames = {profile.intern("main")},
               .application = profile.intern_application({.process = nullptr, .facts = facts})},
              1);
  EXPECT_EQ(render_collapsed(profile, "{}"), "# {}\n1;;app;main 1");
  EXPECT_EQ(render_collapsed(profile, "{}", false), "# {}\n;app;main 1");
}

TEST(Collapsed, of_no_samples_is_the_header_alone) {
  EXPECT_EQ(render_collapsed(Profile(), "{}"), "# {}");
}

TEST(Collapsed, does_not_depend_on_the_order_of_samples) {
  std::vector<std::string> texts;
  for (const bool is_reversed : {false, true}) {
    Profile profile;
    std::vector<int> order(500);
    std::ranges::generate(order, [i = 0]() mutable { return i++; });
    if (is_reversed) {
      std::ranges::reverse(order);
    }
    for (const int i : order) {
      profile.add({profile.intern(""),
                   profile.intern("p" + std::to_string(i % 7)),
                   {profile.intern("f" + std::to_string(i))}},
                  1);
    }
    texts.push_back(render_collapsed(profile, "{}"));
  }
  EXPECT_EQ(texts[0], texts[1]);
}

TEST(Collapsed, merges_stacks_that_escaping_makes_equal) {
  Profile profile;
  const auto none = profile.intern("");
  profile.add({none, none, {profile.intern("a;b")}}, 2);
  profile.add({none, none, {profile.intern("a|b")}}, 3);
  EXPECT_EQ(render_collapsed(profile, "{}"), "# {}\n0;;;a|b 5");
}

TEST(CollapsedField, keeps_what_the_format_can_hold) {
  EXPECT_EQ(collapsed_field("ns::f(int, char) const [clone .cold] 12"),
            "ns::f(int, char) const [clone .cold] 12");
  EXPECT_EQ(collapsed_field("größe→"), "größe→");
}

TEST(CollapsedField, replaces_separators_and_control_characters) {
  EXPECT_EQ(collapsed_field("Lorg/Foo;I\n\r\tx\x1b[2J\x7f"), "Lorg/Foo|I???x?[2J?");
  EXPECT_EQ(collapsed_field(std::string_view("a\0b\xff", 4)), "a?b?");
}

TEST(Collapsed, of_hostile_names_reads_back_with_every_field) {
  std::mt19937 random(11);
  const auto draw = [&](unsigned limit) { return static_cast<std::size_t>(random() % limit); };
  constexpr std::string_view kBytes(
      ";\n\r\0 |#\"\\\xff\xc2\x9b\xe2\x80\xa8"
      "0a<",
      18);
  for (int round = 0; round < 2000; ++round) {
    Profile profile;
    const auto name = [&] {
      std::string text;
      for (std::size_t left = draw(12); left > 0; --left) {
        text += kBytes[draw(kBytes.size())];
      }
      return profile.intern(text);
    };
    Profile::Stack stack{name(), name(), {}};
    for (std::size_t left = draw(6); left > 0; --left) {
      stack.frames.push_back(name());
    }
    const std::uint64_t count = 1 + draw(1000);
    profile.add(stack, count);
    const std::string text = render_collapsed(profile, "{}");
    const auto lines = split(text, '\n');
    ASSERT_EQ(lines.size(), 2U) << text;
    const ParsedLine parsed = parse_line(lines[1]);
    ASSERT_EQ(parsed.fields.size(), 3 + stack.frames.size()) << text;
    EXPECT_EQ(parsed.fields[0], "0");
    EXPECT_EQ(parsed.count, count);
    EXPECT_EQ(parsed.fields[2], collapsed_field(profile.name(stack.comm)));
  }
}

}  // namespace
}  // namespace waggle
