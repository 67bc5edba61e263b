// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/container_columns.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace waggle {
namespace {

using Lines = std::map<std::string, std::uint64_t>;

void add(Profile& profile, std::string_view container, std::string_view comm,
         std::string_view frame, std::uint64_t count) {
  profile.add({.container = profile.intern(container),
               .comm = profile.intern(comm),
               .frames = {profile.intern(frame)}},
              count);
}

Lines lines_of(const Profile& profile) {
  Lines lines;
  for (const auto& [stack, count] : profile.counts()) {
    std::string text(profile.name(stack.container));
    text.append(";").append(profile.name(stack.comm));
    text.append(";").append(profile.name(stack.frames.front()));
    lines[text] += count;
  }
  return lines;
}

TEST(ContainerColumns, have_the_names_that_are_known) {
  Profile profile;
  add(profile, "0a", "app", "0a", 3);
  add(profile, "0b", "app", "main", 4);
  add(profile, "", "app", "main", 5);
  const Profile named = name_containers(
      std::move(profile), [](std::string_view id) { return id == "0a" ? "web" : ""; });
  EXPECT_EQ(lines_of(named), (Lines{{"web;app;0a", 3}, {"0b;app;main", 4}, {";app;main", 5}}));
  EXPECT_EQ(named.total(), 12U);
}

TEST(ContainerColumns, of_equal_names_are_one) {
  Profile profile;
  add(profile, "0a", "app", "main", 3);
  add(profile, "0b", "app", "main", 4);
  const Profile named = name_containers(std::move(profile), [](std::string_view) { return "web"; });
  EXPECT_EQ(lines_of(named), (Lines{{"web;app;main", 7}}));
}

}  // namespace
}  // namespace waggle
