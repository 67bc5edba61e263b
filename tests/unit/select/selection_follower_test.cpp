// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/selection_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <semaphore>
#include <stop_token>
#include <string>
#include <string_view>

#include "tests/wait_until.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Clock = SelectionFollower::Clock;

const SelectionWish kFront{
    .cgroups = {}, .excluded_cgroups = {}, .containers = {"front"}, .comms = {}};
const SelectionWish kNginx{
    .cgroups = {}, .excluded_cgroups = {}, .containers = {}, .comms = {"nginx"}};

// With a runtime that knows no container, and answers when it is let.
class SelectionFollowerTest : public testing::Test {
 protected:
  SelectionFinder finder() {
    return {
        std::nullopt, [this](std::string_view name, const std::stop_token& stop) {
          ++asked_;
          while (!stop.stop_requested() && !may_answer_.try_acquire_for(kLook)) {
          }
          return Result<std::string>(fail(Errc::not_found, std::string(name) + " is no container"));
        }};
  }

  static constexpr std::chrono::milliseconds kLook{10};
  std::atomic<int> asked_ = 0;
  std::counting_semaphore<> may_answer_{0};
  SelectionFollower follower_{finder()};
};

bool never() {
  return false;
}

TEST_F(SelectionFollowerTest, does_not_wait_for_a_runtime_that_hangs) {
  follower_.ask(kFront, Clock::now());
  EXPECT_TRUE(wait_until([this] { return asked_ == 1; }));
  EXPECT_FALSE(follower_.take());
  follower_.ask(kFront, Clock::now());
  EXPECT_FALSE(follower_.take());
  may_answer_.release();
  follower_.wait(never);
  const auto found = follower_.take();
  ASSERT_TRUE(found && !*found);
  EXPECT_THAT(found->error().what, HasSubstr("--container \"front\": front is no container"));
  // What was asked meanwhile is looked for then.
  EXPECT_TRUE(wait_until([this] { return asked_ == 2; }));
}

TEST_F(SelectionFollowerTest, has_at_once_what_needs_no_look) {
  follower_.ask(kNginx, Clock::now() + std::chrono::hours(1));
  const auto found = follower_.take();
  ASSERT_TRUE(found && *found);
  EXPECT_THAT((*found)->comms, ElementsAre("nginx"));
}

TEST_F(SelectionFollowerTest, forgets_what_is_not_wanted_any_more) {
  follower_.ask(kFront, Clock::now());
  EXPECT_TRUE(wait_until([this] { return asked_ == 1; }));
  follower_.ask(kNginx, Clock::now());
  may_answer_.release();
  const auto found = follower_.take();
  ASSERT_TRUE(found && *found);
  SelectionWish other = kFront;
  other.containers = {"other"};
  follower_.ask(other, Clock::now());
  EXPECT_TRUE(wait_until([this] { return asked_ == 2; }));
  EXPECT_FALSE(follower_.take());
}

TEST_F(SelectionFollowerTest, looks_when_it_is_time) {
  follower_.ask(kFront, Clock::now() + std::chrono::hours(1));
  follower_.ask(kFront, Clock::now() + std::chrono::milliseconds(1));
  EXPECT_TRUE(wait_until([this] { return asked_ == 1; }));
}

TEST_F(SelectionFollowerTest, stops_waiting_where_it_is_told) {
  follower_.ask(kFront, Clock::now());
  follower_.wait([this] { return asked_ > 0; });
  EXPECT_FALSE(follower_.take());
}

}  // namespace
}  // namespace waggle
