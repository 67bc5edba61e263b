// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/cgroup_ranking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/unit/select/fake_cgroups.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::string kFirst = "docker/1a" + std::string(62, '0');
const std::string kSecond = "docker/1b" + std::string(62, '0');

class CgroupRankingTest : public testing::Test {
 protected:
  // In v1, in nanoseconds since it began.
  void used(const std::string& path, std::uint64_t usage) const {
    host_.make("cpu/" + path);
    write("cpu/" + path + "/cpuacct.usage", std::to_string(usage) + "\n");
  }
  void used_in_v2(const std::string& path, std::uint64_t usage_us) const {
    host_.make("unified/" + path);
    write("unified/" + path + "/cpu.stat",
          "usage_usec " + std::to_string(usage_us) + "\nuser_usec 0\n");
  }
  void holds(const std::string& path, std::uint64_t bytes) const {
    host_.make("memory/" + path);
    write("memory/" + path + "/memory.usage_in_bytes", std::to_string(bytes) + "\n");
  }
  // Where there are others below.
  void has_task(const std::string& path) const {
    write(path + (path.starts_with("unified/") ? "/cgroup.threads" : "/tasks"), "1\n");
  }
  void begin(const RankingLimits& limits) {
    ranking_.emplace(limits);
    ASSERT_TRUE(ranking_->begin(hierarchies_));
  }
  std::vector<CgroupRank> rank(const std::vector<Cgroup>& excluded = {}) {
    auto ranked = ranking_->refresh(hierarchies_, excluded);
    EXPECT_TRUE(ranked) << ranked.error().what;
    return ranked->chosen;
  }
  std::vector<std::string> refresh(const std::vector<Cgroup>& excluded = {}) {
    std::vector<Cgroup> cgroups;
    for (const CgroupRank& one : rank(excluded)) {
      cgroups.push_back(one.cgroup);
    }
    return host_.paths_of(cgroups);
  }
  [[nodiscard]] Cgroup in_v1(const std::string& path) const {
    return cgroup_at(host_.at("cpu/" + path), SEL_V1_cpu).value();
  }

  void write(const std::string& path, const std::string& text) const {
    ASSERT_TRUE(write_file_atomically(host_.at(path), text));
  }

  FakeCgroups host_;
  std::vector<CgroupHierarchy> hierarchies_ = {
      {.number = SEL_V2, .name = "v2", .directory = host_.at("unified")},
      {.number = SEL_V1_cpu, .name = "cpu,cpuacct", .directory = host_.at("cpu")},
      {.number = SEL_V1_memory, .name = "memory", .directory = host_.at("memory")}};
  std::optional<CgroupRanking> ranking_;
};

TEST_F(CgroupRankingTest, goes_by_what_was_used_in_the_cycle) {
  used("a", 1'000'000);
  used("b", 10);
  used("c", 20);
  begin({.cgroups = 2});
  used("a", 1'000'001);
  used("b", 110);
  used("c", 70);
  EXPECT_THAT(refresh(), ElementsAre("cpu/b", "cpu/c"));
}

TEST_F(CgroupRankingTest, counts_all_of_one_that_began_in_the_cycle) {
  used("a", 100);
  begin({.cgroups = 1});
  used("a", 150);
  used("new", 60);
  EXPECT_THAT(refresh(), ElementsAre("cpu/new"));
}

TEST_F(CgroupRankingTest, keeps_a_chosen_one_until_another_uses_much_more) {
  used("a", 0);
  used("b", 0);
  begin({.cgroups = 1});
  used("a", 100);
  used("b", 90);
  EXPECT_THAT(refresh(), ElementsAre("cpu/a"));
  used("a", 200);
  used("b", 230);  // 140 in this cycle
  EXPECT_THAT(refresh(), ElementsAre("cpu/a"));
  used("a", 300);
  used("b", 390);  // 160
  EXPECT_THAT(refresh(), ElementsAre("cpu/b"));
}

TEST_F(CgroupRankingTest, orders_equal_ones_by_memory) {
  for (const std::string name : {"a", "b", "c"}) {
    used(name, 0);
  }
  holds("a", 10);
  holds("b", 30);
  holds("c", 20);
  begin({.cgroups = 2});
  EXPECT_THAT(refresh(), UnorderedElementsAre("cpu/b", "cpu/c"));
}

TEST_F(CgroupRankingTest, takes_a_container_whole_and_of_others_the_innermost) {
  used("system.slice", 1000);
  used("system.slice/web.service", 300);
  used(kFirst, 500);
  used(kFirst + "/worker", 500);
  begin({.cgroups = 10});
  EXPECT_THAT(refresh(), UnorderedElementsAre("cpu/system.slice/web.service", "cpu/" + kFirst));
}

TEST_F(CgroupRankingTest, takes_containers_first_when_they_have_a_number) {
  for (const std::string& path : {std::string("a"), std::string("b"), kFirst, kSecond}) {
    used(path, 0);
  }
  const auto use = [&] {
    used("a", 1000);
    used("b", 900);
    used(kFirst, 10);
    used(kSecond, 20);
  };
  begin({.cgroups = 2, .containers = 1});
  use();
  EXPECT_THAT(refresh(), ElementsAre("cpu/a", "cpu/" + kSecond));
  begin({.cgroups = 0, .containers = 5});
  EXPECT_THAT(refresh(), UnorderedElementsAre("cpu/" + kFirst, "cpu/" + kSecond));
}

TEST_F(CgroupRankingTest, finds_in_v2_what_is_not_in_v1) {
  used("both", 100);
  used_in_v2("both", 100);
  used_in_v2("other", 200);
  begin({.cgroups = 10});
  EXPECT_THAT(refresh(), UnorderedElementsAre("cpu/both", "unified/other"));
  hierarchies_.erase(hierarchies_.begin() + 1, hierarchies_.end());
  begin({.cgroups = 1});
  used_in_v2("other", 201);
  EXPECT_THAT(refresh(), ElementsAre("unified/other"));
}

TEST_F(CgroupRankingTest, leaves_out_what_is_excluded_and_what_is_below) {
  used("a/b", 100);
  used("c", 50);
  begin({.cgroups = 10});
  EXPECT_THAT(refresh({in_v1("a")}), ElementsAre("cpu/c"));
}

TEST_F(CgroupRankingTest, keeps_its_history_when_other_cgroups_are_excluded) {
  used("a", 1'000'000);
  used("b", 0);
  used("c", 0);
  begin({.cgroups = 1});
  used("a", 1'000'001);
  used("b", 100);
  used("c", 90);
  EXPECT_THAT(refresh({in_v1("a")}), ElementsAre("cpu/b"));
  used("a", 1'000'002);
  used("b", 200);
  used("c", 230);  // 140 in this cycle: b stays
  EXPECT_THAT(refresh(), ElementsAre("cpu/b"));
}

TEST_F(CgroupRankingTest, ranks_one_with_tasks_and_others_below_by_what_its_own_use_and_alone) {
  used("busy", 0);
  used("busy/idle", 0);
  used("calm", 0);
  used("calm/child", 0);
  has_task("cpu/busy");
  has_task("cpu/calm");
  begin({.cgroups = 2});
  used("busy", 1000);
  used("busy/idle", 1);
  used("calm", 500);
  used("calm/child", 490);
  const auto chosen = rank();
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0].cgroup.path, host_.at("cpu/busy"));
  EXPECT_EQ(chosen[0].used_ns, 999U);
  EXPECT_TRUE(chosen[0].cgroup.is_alone);
  EXPECT_EQ(chosen[1].cgroup.path, host_.at("cpu/calm/child"));
  EXPECT_EQ(chosen[1].used_ns, 490U);
  EXPECT_FALSE(chosen[1].cgroup.is_alone);
}

TEST_F(CgroupRankingTest, does_so_for_threads_in_v2) {
  used_in_v2("process", 0);
  used_in_v2("process/thread", 0);
  has_task("unified/process");
  begin({.cgroups = 1});
  used_in_v2("process", 100);
  used_in_v2("process/thread", 40);
  EXPECT_THAT(refresh(), ElementsAre("unified/process"));
}

// What v2 alone has is in v1 in the one above: in the hierarchy of v1 it counts there.
TEST_F(CgroupRankingTest, does_not_count_twice_what_v2_alone_has_below) {
  used("slice", 0);
  used_in_v2("slice", 0);
  used_in_v2("slice/service", 0);
  used("other", 0);
  has_task("cpu/slice");
  begin({.cgroups = 2});
  used("slice", 100'000);
  used_in_v2("slice", 100);
  used_in_v2("slice/service", 100);
  used("other", 50);
  EXPECT_THAT(refresh(), ElementsAre("unified/slice/service", "cpu/other"));
}

TEST_F(CgroupRankingTest, passes_over_what_has_gone_or_is_no_number) {
  used("a", 100);
  host_.make("cpu/empty");
  host_.make("cpu/odd");
  write("cpu/odd/cpuacct.usage", "many\n");
  begin({.cgroups = 10});
  EXPECT_THAT(refresh(), ElementsAre("cpu/a"));
}

TEST_F(CgroupRankingTest, finds_nothing_where_there_is_nothing) {
  begin({.cgroups = 10});
  EXPECT_THAT(refresh(), IsEmpty());
}

TEST_F(CgroupRankingTest, refuses_a_host_that_counts_no_cpu_time) {
  CgroupRanking ranking({});
  const std::vector<CgroupHierarchy> memory = {hierarchies_.back()};
  const auto ranked = ranking.refresh(memory, {});
  ASSERT_FALSE(ranked);
  EXPECT_EQ(ranked.error().code, Errc::unsupported);
  EXPECT_THAT(ranked.error().what, HasSubstr("only memory at "));
}

}  // namespace
}  // namespace waggle
