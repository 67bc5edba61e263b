// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/profile.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace waggle {
namespace {

TEST(Profile, merges_equal_stacks) {
  Profile profile;
  const auto none = profile.intern("");
  const auto comm = profile.intern("app");
  const auto main = profile.intern("main");
  const auto work = profile.intern("work");
  profile.add({none, comm, {main, work}}, 2);
  profile.add({none, comm, {main, work}}, 3);
  profile.add({none, comm, {main}}, 1);
  EXPECT_EQ(profile.counts().size(), 2U);
  EXPECT_EQ(profile.counts().at({none, comm, {main, work}}), 5U);
  EXPECT_EQ(profile.total(), 6U);
}

TEST(Profile, keeps_names_when_moved) {
  Profile profile;
  for (int i = 0; i < 1000; ++i) {
    profile.intern("name" + std::to_string(i));
  }
  Profile moved = std::move(profile);
  EXPECT_EQ(moved.intern("name7"), 7U);
  EXPECT_EQ(moved.name(999), "name999");
}

}  // namespace
}  // namespace waggle
