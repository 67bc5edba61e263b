// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/live_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace waggle {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::IsEmpty;

// A second at 50 Hz: `count` samples of main;parse in app, ten of main in nginx of a container.
LiveMoment moment(std::uint64_t count, double seconds = 1) {
  LiveMoment moment{
      .profile = {}, .frequency = 50, .seconds = seconds, .samples = count + 10, .lost = 2};
  Profile& profile = moment.profile;
  const auto none = profile.intern("");
  const auto web = profile.intern("web-1");
  const auto main = profile.intern("main");
  const auto parse = profile.intern("parse");
  profile.add({none, profile.intern("app"), {main, parse, parse}}, count);
  profile.add({web, profile.intern("nginx"), {main}}, 10);
  return moment;
}

std::vector<std::string> names_of(const LiveTable& table) {
  std::vector<std::string> names;
  for (const LiveRow& row : table.rows) {
    names.push_back(row.name);
  }
  return names;
}

TEST(LiveTable, of_nothing_is_empty) {
  const LiveTable table = LiveWindow(3).rank({});
  EXPECT_THAT(table.rows, IsEmpty());
  EXPECT_EQ(table.busy, 0);
}

TEST(LiveTable, has_percents_of_one_cpu) {
  LiveWindow window(3);
  window.add(moment(25));
  window.add(moment(75));
  const LiveTable table = window.rank({});
  EXPECT_THAT(table.seconds, DoubleEq(2));
  EXPECT_THAT(table.busy, DoubleEq(120));
  EXPECT_EQ(table.samples, 120);
  EXPECT_EQ(table.lost, 4);
  ASSERT_THAT(names_of(table), ElementsAre("parse", "main"));
  EXPECT_THAT(table.rows[0].self, DoubleEq(100));
  EXPECT_THAT(table.rows[0].total, DoubleEq(100));  // recursion counts once
  EXPECT_THAT(table.rows[1].self, DoubleEq(20));
  EXPECT_THAT(table.rows[1].total, DoubleEq(120));
}

TEST(LiveTable, counts_each_moment_by_its_own_frequency) {
  LiveWindow window(3);
  window.add(moment(50));
  LiveMoment slower = moment(5);
  slower.frequency = 5;
  window.add(std::move(slower));
  const LiveTable table = window.rank({.filter = "parse"});
  ASSERT_THAT(names_of(table), ElementsAre("parse"));
  EXPECT_THAT(table.rows[0].self, DoubleEq(100));
}

TEST(LiveTable, forgets_what_is_older_than_its_window) {
  LiveWindow window(2);
  window.add(moment(1000));
  window.add(moment(0));
  window.add(moment(0));
  EXPECT_THAT(names_of(window.rank({})), ElementsAre("main"));
  EXPECT_THAT(window.rank({}).busy, DoubleEq(20));
}

TEST(LiveTable, orders_by_total_when_it_is_asked_to) {
  LiveWindow window(1);
  window.add(moment(25));
  EXPECT_THAT(names_of(window.rank({.order = LiveOrder::total})), ElementsAre("main", "parse"));
}

TEST(LiveTable, knows_processes_and_containers) {
  LiveWindow window(1);
  window.add(moment(25));
  EXPECT_THAT(names_of(window.rank({.by = LiveBy::processes})),
              ElementsAre("app", "nginx in web-1"));
  const LiveTable containers = window.rank({.by = LiveBy::containers});
  ASSERT_THAT(names_of(containers), ElementsAre("(no container)", "web-1"));
  EXPECT_THAT(containers.rows[0].self, DoubleEq(50));
}

TEST(LiveTable, filters_names_in_any_case) {
  LiveWindow window(1);
  window.add(moment(25));
  EXPECT_THAT(names_of(window.rank({.filter = "ARS"})), ElementsAre("parse"));
  EXPECT_THAT(names_of(window.rank({.filter = "nothing"})), IsEmpty());
  EXPECT_THAT(window.rank({.filter = "nothing"}).busy, DoubleEq(70));  // of all, whatever is shown
}

}  // namespace
}  // namespace waggle
