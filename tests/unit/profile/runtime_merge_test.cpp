// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/runtime_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

using Names = std::vector<std::string>;

void add(Profile& profile, const std::string& comm, const Names& frames, std::uint64_t count,
         std::uint32_t process = 0) {
  Profile::Stack stack{.container = profile.intern(""), .comm = profile.intern(comm), .frames = {}};
  for (const std::string& frame : frames) {
    stack.frames.push_back(profile.intern(frame));
  }
  stack.process = process;
  profile.add(stack, count);
}

// "comm;frame;frame" and its count.
std::map<std::string, std::uint64_t> lines_of(const Profile& profile) {
  std::map<std::string, std::uint64_t> lines;
  for (const auto& [stack, count] : profile.counts()) {
    EXPECT_EQ(stack.process, 0U);
    std::string line(profile.name(stack.comm));
    for (const Profile::NameId frame : stack.frames) {
      line.append(";").append(profile.name(frame));
    }
    lines[line] += count;
  }
  return lines;
}

RuntimeStacks runtime_of(std::uint32_t process, const std::string& comm,
                         const std::vector<std::pair<Names, std::uint64_t>>& stacks,
                         const std::string& error = "") {
  RuntimeStacks runtime{.process = process, .comm = comm, .stacks = {}, .error = error};
  for (const auto& [frames, count] : stacks) {
    add(runtime.stacks, "", frames, count);
  }
  return runtime;
}

std::vector<RuntimeStacks> list_of(RuntimeStacks runtime) {
  std::vector<RuntimeStacks> list;
  list.push_back(std::move(runtime));
  return list;
}

TEST(RuntimeMerge, leaves_counts_of_the_clock_where_waiting_counts_too) {
  Profile system;
  add(system, "java", {"main"}, 3, 12);
  add(system, "nginx", {"main"}, 5);
  auto runtimes = list_of(runtime_of(12, "java", {{{"run"}, 2}, {{"sleep"}, 99}}));
  runtimes[0].counts_waiting = true;
  const MergedProfile merged = merge_runtime_stacks(system, runtimes);
  EXPECT_THAT(
      lines_of(merged.profile),
      UnorderedElementsAre(Pair("java;run", 2U), Pair("java;sleep", 99U), Pair("nginx;main", 5U)));
  EXPECT_EQ(merged.added, 98U) << "beyond the samples that they stand for";
}

TEST(RuntimeMerge, shows_what_only_waited) {
  auto runtimes = list_of(runtime_of(12, "java", {{{"sleep"}, 99}}));
  runtimes[0].counts_waiting = true;
  const MergedProfile merged = merge_runtime_stacks(Profile(), runtimes);
  EXPECT_THAT(lines_of(merged.profile), UnorderedElementsAre(Pair("java;sleep", 99U)));
  EXPECT_EQ(merged.added, 99U);
}

TEST(RuntimeMerge, has_no_less_than_the_system_counted_where_waiting_counts_too) {
  Profile system;
  add(system, "java", {"main"}, 40, 12);
  auto runtimes = list_of(runtime_of(12, "java", {{{"run"}, 10}}));  // it came late
  runtimes[0].counts_waiting = true;
  const MergedProfile merged = merge_runtime_stacks(system, runtimes);
  EXPECT_THAT(lines_of(merged.profile), UnorderedElementsAre(Pair("java;run", 40U)));
  EXPECT_EQ(merged.added, 0U);
}

TEST(RuntimeMerge, scales_the_runtime_to_the_count_of_the_system) {
  Profile system;
  add(system, "python3", {"main", "eval"}, 70, 12);
  add(system, "python3", {"main", "read_[k]"}, 30, 12);
  add(system, "nginx", {"main"}, 5);
  const auto runtimes = list_of(runtime_of(12, "python3", {{{"a", "b"}, 6}, {{"a", "c"}, 2}}));
  const MergedProfile merged = merge_runtime_stacks(system, runtimes);
  EXPECT_THAT(lines_of(merged.profile),
              ElementsAre(Pair("nginx;main", 5), Pair("python3;a;b", 75), Pair("python3;a;c", 25)));
  EXPECT_EQ(merged.added, 0U);
}

TEST(RuntimeMerge, gives_what_is_left_to_the_largest_remainders) {
  Profile system;
  add(system, "py", {"x"}, 10, 12);
  // 10 * (5, 3, 3) / 11 = 4.54, 2.72, 2.72
  const auto runtimes = list_of(runtime_of(12, "py", {{{"a"}, 5}, {{"b"}, 3}, {{"c"}, 3}}));
  EXPECT_THAT(lines_of(merge_runtime_stacks(system, runtimes).profile),
              ElementsAre(Pair("py;a", 4), Pair("py;b", 3), Pair("py;c", 3)));
}

TEST(RuntimeMerge, leaves_out_what_comes_to_nothing) {
  Profile system;
  add(system, "py", {"x"}, 2, 12);
  const auto runtimes = list_of(runtime_of(12, "py", {{{"a"}, 900}, {{"b"}, 800}, {{"c"}, 1}}));
  EXPECT_THAT(lines_of(merge_runtime_stacks(system, runtimes).profile),
              ElementsAre(Pair("py;a", 1), Pair("py;b", 1)));
}

// Whatever the numbers are.
TEST(RuntimeMerge, keeps_the_total_of_the_system) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    Profile system;
    const std::uint64_t scale = std::uint64_t{1} << (random() % 40);
    for (std::uint64_t i = 0; i < 1 + random() % 5; ++i) {
      add(system, "py", {std::to_string(i)}, 1 + random() % scale, 12);
    }
    add(system, "other", {"main"}, 17);
    std::vector<std::pair<Names, std::uint64_t>> stacks;
    const std::uint64_t runtime_scale = std::uint64_t{1} << (random() % 40);
    for (std::uint64_t i = 0; i < 1 + random() % 50; ++i) {
      stacks.push_back({{"f" + std::to_string(i)}, 1 + random() % runtime_scale});
    }
    const auto runtimes = list_of(runtime_of(12, "py", stacks));
    const MergedProfile merged = merge_runtime_stacks(system, runtimes);
    ASSERT_EQ(merged.profile.total(), system.total()) << round;
    ASSERT_EQ(merged.added, 0U);
  }
}

TEST(RuntimeMerge, keeps_the_native_stacks_where_the_runtime_has_none) {
  Profile system;
  add(system, "py", {"main"}, 4, 12);
  const auto runtimes = list_of(runtime_of(12, "py", {}));
  EXPECT_THAT(lines_of(merge_runtime_stacks(system, runtimes).profile),
              ElementsAre(Pair("py;main", 4)));
}

TEST(RuntimeMerge, puts_an_error_in_front_of_the_native_stacks) {
  Profile system;
  add(system, "py", {"main", "a"}, 4, 12);
  add(system, "py", {"main", "b"}, 3, 12);
  const auto runtimes = list_of(runtime_of(12, "py", {}, "[Profiling error: x]"));
  const MergedProfile merged = merge_runtime_stacks(system, runtimes);
  EXPECT_THAT(lines_of(merged.profile), ElementsAre(Pair("py;[Profiling error: x];main;a", 4),
                                                    Pair("py;[Profiling error: x];main;b", 3)));
  EXPECT_EQ(merged.added, 0U);
}

TEST(RuntimeMerge, counts_an_error_that_no_sample_stands_for) {
  Profile system;
  add(system, "nginx", {"main"}, 4);
  const auto runtimes = list_of(runtime_of(12, "py", {}, "[Profiling error: x]"));
  const MergedProfile merged = merge_runtime_stacks(system, runtimes);
  EXPECT_THAT(lines_of(merged.profile),
              ElementsAre(Pair("nginx;main", 4), Pair("py;[Profiling error: x]", 1)));
  EXPECT_EQ(merged.added, 1U);
  EXPECT_EQ(merged.profile.total(), system.total() + merged.added);
}

TEST(RuntimeMerge, takes_all_as_they_are_without_a_profiler_of_the_system) {
  auto runtimes = list_of(runtime_of(12, "py", {{{"a"}, 50}, {{"a", "b"}, 3}}));
  runtimes.push_back(runtime_of(13, "py", {{{"a"}, 7}}));
  runtimes.push_back(runtime_of(14, "java", {}, "[Profiling error: x]"));
  runtimes.push_back(runtime_of(15, "java", {}));
  const MergedProfile merged = concatenate_runtime_stacks(runtimes);
  EXPECT_THAT(lines_of(merged.profile), ElementsAre(Pair("java;[Profiling error: x]", 1),
                                                    Pair("py;a", 57), Pair("py;a;b", 3)));
  EXPECT_EQ(merged.added, 1U);
}

TEST(RuntimeMerge, scales_slower_clocks_up_to_the_fastest) {
  auto runtimes = list_of(runtime_of(12, "py", {{{"a"}, 50}, {{"a", "b"}, 1}}));
  runtimes.push_back(runtime_of(13, "java", {{{"run"}, 7}}));
  runtimes.push_back(runtime_of(14, "ruby", {}, "[Profiling error: x]"));
  runtimes[0].frequency_hz = 50;
  runtimes[1].frequency_hz = 199;
  runtimes[2].frequency_hz = 500;  // it has none
  const MergedProfile merged = concatenate_runtime_stacks(runtimes);
  EXPECT_EQ(merged.frequency_hz, 199);
  // 51 * 199 / 50 = 202.98
  EXPECT_THAT(lines_of(merged.profile),
              ElementsAre(Pair("java;run", 7), Pair("py;a", 199), Pair("py;a;b", 4),
                          Pair("ruby;[Profiling error: x]", 1)));
}

// In front of the first frame of each stack.
std::vector<std::string> containers_of(const Profile& profile) {
  std::vector<std::string> containers;
  for (const auto& [stack, count] : profile.counts()) {
    containers.emplace_back(profile.name(stack.container));
  }
  return containers;
}

TEST(RuntimeMerge, has_the_container_of_a_process_of_which_the_system_has_no_stack) {
  auto runtimes = list_of(runtime_of(12, "py", {{{"a"}, 50}}));
  runtimes[0].container = "web";
  EXPECT_THAT(containers_of(concatenate_runtime_stacks(runtimes).profile), ElementsAre("web"));
  auto failed = list_of(runtime_of(12, "py", {}, "[Profiling error: x]"));
  failed[0].container = "web";
  EXPECT_THAT(containers_of(concatenate_runtime_stacks(failed).profile), ElementsAre("web"));
  EXPECT_THAT(containers_of(merge_runtime_stacks(Profile(), failed).profile), ElementsAre("web"));
}

TEST(RuntimeMerge, drops_stacks_of_a_process_that_used_no_cpu) {
  const auto runtimes = list_of(runtime_of(12, "py", {{{"a"}, 50}}));
  const MergedProfile merged = merge_runtime_stacks(Profile(), runtimes);
  EXPECT_THAT(lines_of(merged.profile), IsEmpty());
  EXPECT_EQ(merged.added, 0U);
}

TEST(RuntimeMerge, keeps_processes_of_one_name_apart) {
  Profile system;
  add(system, "py", {"main"}, 10, 12);
  add(system, "py", {"main"}, 20, 13);
  add(system, "py", {"main"}, 40);  // nobody asked for it
  std::vector<RuntimeStacks> runtimes;
  runtimes.push_back(runtime_of(12, "py", {{{"a"}, 1}}));
  runtimes.push_back(runtime_of(13, "py", {{{"b"}, 1}}));
  EXPECT_THAT(lines_of(merge_runtime_stacks(system, runtimes).profile),
              ElementsAre(Pair("py;a", 10), Pair("py;b", 20), Pair("py;main", 40)));
}

TEST(RuntimeMerge, leaves_the_program_alone_that_the_process_became) {
  Profile system;
  add(system, "py", {"main"}, 10, 12);
  add(system, "gzip", {"main"}, 5, 12);
  const auto runtimes = list_of(runtime_of(12, "py", {{{"a"}, 1}}));
  EXPECT_THAT(lines_of(merge_runtime_stacks(system, runtimes).profile),
              UnorderedElementsAre(Pair("py;a", 10), Pair("gzip;main", 5)));
}

}  // namespace
}  // namespace waggle
