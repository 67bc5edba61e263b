// SPDX-License-Identifier: Apache-2.0
#include "userspace/select/container_cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/select/fake_cgroups.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kFirst = "1a" + std::string(62, '0');
const std::string kSecond = "1b" + std::string(62, '0');

class FindContainer : public testing::Test {
 protected:
  std::vector<std::string> found(const std::string& prefix) const {
    const auto cgroups = find_container(prefix, host_.hierarchies());
    EXPECT_TRUE(cgroups) << cgroups.error().what;
    return host_.paths_of(cgroups.value_or(std::vector<Cgroup>()));
  }

  FakeCgroups host_;
};

TEST_F(FindContainer, by_the_beginning_of_its_id) {
  host_.make("cpu/system.slice/docker-" + kFirst + ".scope/inner");
  host_.make("cpu/docker/" + kSecond);
  host_.make("memory/docker/" + kFirst);
  EXPECT_THAT(found("1a"), ElementsAre("cpu/system.slice/docker-" + kFirst + ".scope"));
  EXPECT_THAT(found(kSecond), ElementsAre("cpu/docker/" + kSecond));
}

TEST_F(FindContainer, without_its_monitor_and_without_what_lies_below) {
  host_.make("unified/machine.slice/libpod-" + kFirst + ".scope/container/" + kFirst);
  host_.make("unified/machine.slice/libpod-conmon-" + kFirst + ".scope");
  EXPECT_THAT(found("1"), ElementsAre("unified/machine.slice/libpod-" + kFirst + ".scope"));
}

TEST_F(FindContainer, inside_another_container) {
  host_.make("cpu/docker/" + kFirst + "/docker/" + kSecond);
  EXPECT_THAT(found("1b"), ElementsAre("cpu/docker/" + kFirst + "/docker/" + kSecond));
}

TEST_F(FindContainer, refuses_what_is_not_there_and_what_is_not_one) {
  host_.make("cpu/docker/" + kFirst);
  host_.make("cpu/docker/" + kSecond);
  const auto none = find_container("2", host_.hierarchies());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::not_found);
  EXPECT_THAT(none.error().what, HasSubstr("docker ps"));
  const auto two = find_container("1", host_.hierarchies());
  ASSERT_FALSE(two);
  EXPECT_THAT(two.error().what, AllOf(HasSubstr(kFirst), HasSubstr(kSecond)));
}

}  // namespace
}  // namespace waggle
