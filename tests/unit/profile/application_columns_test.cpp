// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/application_columns.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "userspace/profile/container_columns.h"
#include "userspace/profile/runtime_merge.h"

namespace waggle {
namespace {

using Lines = std::map<std::string, std::uint64_t>;

ApplicationRef program(std::uint32_t pid) {
  return std::make_shared<Application>(pid, StartTime{});
}

ApplicationFactsRef facts(std::string metadata, std::string id = "") {
  return std::make_shared<const ApplicationFacts>(
      ApplicationFacts{.metadata = std::move(metadata), .id = std::move(id)});
}

void add(Profile& profile, const ApplicationRef& application, std::string_view frame,
         std::uint64_t count, std::uint32_t process = 0) {
  profile.add({.container = profile.intern(""),
               .comm = profile.intern("app"),
               .frames = {profile.intern(frame)},
               .process = process,
               .application = profile.intern_application(application)},
              count);
}

// "IDX;comm;frame" and its count.
Lines lines_of(const Profile& profile) {
  Lines lines;
  for (const auto& [stack, count] : profile.counts()) {
    std::string text = std::to_string(stack.application) + ";";
    text += profile.name(stack.comm);
    for (const Profile::NameId frame : stack.frames) {
      text.append(";").append(profile.name(frame));
    }
    lines[text] += count;
  }
  return lines;
}

TEST(ApplicationColumns, are_numbers_of_equal_metadata) {
  Profile profile;
  const auto a = program(1);
  const auto b = program(2);
  const auto gone = program(3);
  b->tell(facts(R"({"exe":"/b"})", "python: b.py (/b.py)"));
  add(profile, a, "main", 1);  // told later
  add(profile, b, "main", 2);
  add(profile, gone, "main", 4);
  add(profile, nullptr, "main", 8);
  a->tell(facts(R"({"exe":"/a"})"));
  add(profile, a, "main", 16);
  const Profile settled = settle_applications(std::move(profile));
  EXPECT_EQ(lines_of(settled), (Lines{{"0;app;main", 12},
                                      {"1;app;main", 17},
                                      {"2;app;appid: python: b.py (/b.py);main", 2}}));
  ASSERT_EQ(settled.application_count(), 3U);
  EXPECT_EQ(settled.application(1).facts->metadata, R"({"exe":"/a"})");
  EXPECT_EQ(settled.total(), 31U);
}

TEST(ApplicationColumns, share_a_number_where_ids_differ) {
  Profile profile;
  const auto a = program(1);
  const auto b = program(2);
  a->tell(facts("{}", "one"));
  b->tell(facts("{}", "two"));
  add(profile, a, "main", 1);
  add(profile, b, "main", 2);
  const Profile settled = settle_applications(std::move(profile));
  EXPECT_EQ(lines_of(settled), (Lines{{"1;app;appid: one;main", 1}, {"1;app;appid: two;main", 2}}));
}

TEST(ApplicationColumns, do_not_tell_processes_apart_once_they_are_told) {
  Profile profile;
  const auto same = facts("{}");
  for (std::uint32_t pid = 1; pid <= 100; ++pid) {
    const auto each = program(pid);
    each->tell(same);
    add(profile, each, "main", 1);
  }
  EXPECT_EQ(profile.counts().size(), 1U);
  EXPECT_EQ(profile.application_count(), 2U);
}

TEST(ApplicationColumns, are_bounded) {
  Profile profile;
  for (std::uint32_t pid = 1; pid <= Profile::kMaxApplications + 5; ++pid) {
    add(profile, program(pid), "main", 1);
  }
  EXPECT_EQ(profile.application_count(), Profile::kMaxApplications + 1);
  EXPECT_EQ(lines_of(settle_applications(std::move(profile))),
            (Lines{{"0;app;main", Profile::kMaxApplications + 5}}));
}

TEST(ApplicationColumns, outlive_what_is_done_to_a_profile) {
  Profile profile;
  const auto a = program(7);
  add(profile, a, "native", 10, 7);
  profile = name_containers(std::move(profile), [](std::string_view) { return "web"; });
  std::vector<RuntimeStacks> runtimes(1);
  runtimes[0].process = 7;
  runtimes[0].comm = "app";
  add(runtimes[0].stacks, nullptr, "function", 3);
  MergedProfile merged = merge_runtime_stacks(profile, runtimes);
  a->tell(facts("{}", "x"));
  EXPECT_EQ(lines_of(settle_applications(std::move(merged.profile))),
            (Lines{{"1;app;appid: x;function", 10}}));
}

TEST(ApplicationColumns, are_there_where_stacks_of_runtimes_are_all_there_is) {
  const auto a = program(7);
  std::vector<RuntimeStacks> runtimes(1);
  runtimes[0].process = 7;
  runtimes[0].comm = "app";
  runtimes[0].application = a;
  add(runtimes[0].stacks, nullptr, "function", 3);
  MergedProfile merged = concatenate_runtime_stacks(runtimes);
  a->tell(facts("{}", "x"));
  EXPECT_EQ(lines_of(settle_applications(std::move(merged.profile))),
            (Lines{{"1;app;appid: x;function", 3}}));
}

}  // namespace
}  // namespace waggle
