// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/top_keys.h"

#include <gtest/gtest.h>

#include <string_view>

namespace waggle {
namespace {

constexpr std::size_t kRows = 50;
constexpr std::size_t kPage = 20;

void press(std::string_view typed, TopState& state) {
  press_keys(typed, kRows, kPage, state);
}

TEST(TopKeys, choose_what_is_shown) {
  TopState state;
  press("c", state);
  EXPECT_EQ(state.view.by, LiveBy::containers);
  press("p", state);
  EXPECT_EQ(state.view.by, LiveBy::processes);
  press("ft", state);
  EXPECT_EQ(state.view.by, LiveBy::functions);
  EXPECT_EQ(state.view.order, LiveOrder::total);
  press("s", state);
  EXPECT_EQ(state.view.order, LiveOrder::self);
}

TEST(TopKeys, pause_help_and_quit) {
  TopState state;
  press(" ?", state);
  EXPECT_TRUE(state.shown.is_paused);
  EXPECT_TRUE(state.shown.shows_keys);
  press("? ", state);
  EXPECT_FALSE(state.shown.is_paused);
  EXPECT_FALSE(state.shown.shows_keys);
  EXPECT_FALSE(state.is_over);
  press("q", state);
  EXPECT_TRUE(state.is_over);
}

TEST(TopKeys, type_a_filter_until_enter) {
  TopState state;
  press("/", state);
  EXPECT_TRUE(state.shown.is_typing);
  press("qmx\x7f\xc3\xa9\x7f", state);  // q quits only outside; a letter of two bytes goes as one
  EXPECT_FALSE(state.is_over);
  EXPECT_EQ(state.view.filter, "qm");
  press("\r", state);
  EXPECT_FALSE(state.shown.is_typing);
  EXPECT_EQ(state.view.filter, "qm");
  press("\x1b", state);
  EXPECT_EQ(state.view.filter, "");
}

TEST(TopKeys, take_a_filter_back_while_it_is_typed) {
  TopState state;
  press("/mal\x1b", state);
  EXPECT_FALSE(state.shown.is_typing);
  EXPECT_EQ(state.view.filter, "");
}

TEST(TopKeys, keep_the_filter_short) {
  TopState state;
  press("/", state);
  press(std::string(1000, 'a'), state);
  EXPECT_EQ(state.view.filter.size(), 200);
}

TEST(TopKeys, move_within_the_rows) {
  TopState state;
  press("k\x1b[A", state);
  EXPECT_EQ(state.shown.first, 0);
  press("j\x1b[B\x1bOB", state);
  EXPECT_EQ(state.shown.first, 3);
  press("\x1b[6~", state);
  EXPECT_EQ(state.shown.first, 23);
  press("\x1b[6~", state);
  EXPECT_EQ(state.shown.first, 30);  // the last page
  press("\x1b[5~", state);
  EXPECT_EQ(state.shown.first, 10);
  press("\x1b[H", state);
  EXPECT_EQ(state.shown.first, 0);
  press("jp", state);
  EXPECT_EQ(state.shown.first, 0);  // another list is begun at its start
}

TEST(TopKeys, take_other_sequences_as_no_key) {
  TopState state;
  press("\x1b[1;5C\x1b[15~\x1b[", state);  // Ctrl-right, F5, and one that is cut
  EXPECT_FALSE(state.is_over);
  EXPECT_EQ(state.shown.first, 0);
  press("q", state);
  EXPECT_TRUE(state.is_over);
}

}  // namespace
}  // namespace waggle
