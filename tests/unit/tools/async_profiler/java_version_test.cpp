// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/java_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waggle {
namespace {

using testing::ElementsAre;

TEST(JavaVersion, is_read_as_it_is_written) {
  const auto recent = parse_java_version("17.0.15+6-Debian-1deb12u1");
  ASSERT_TRUE(recent);
  EXPECT_THAT(recent->numbers, ElementsAre(17, 0, 15));
  EXPECT_EQ(recent->build, 6);
  const auto old = parse_java_version("1.8.0_392-b08");
  ASSERT_TRUE(old);
  EXPECT_THAT(old->numbers, ElementsAre(8, 392));
  EXPECT_EQ(old->build, 8);
  const auto early = parse_java_version("22-ea+5");
  ASSERT_TRUE(early);
  EXPECT_THAT(early->numbers, ElementsAre(22));
  EXPECT_EQ(early->build, 5);
  EXPECT_EQ(parse_java_version("17.0.0+3"), parse_java_version("17+3"));
  for (const char* text : {"", "x", "1.", "+6", "99999999999", ".1"}) {
    EXPECT_FALSE(parse_java_version(text)) << text;
  }
  EXPECT_THAT(parse_java_version("1.2.3.4.5.6.7.8.9")->numbers, ElementsAre(2));
  EXPECT_THAT(parse_java_version("9.1.2.3.4.5.6.7")->numbers, ElementsAre(9, 1, 2, 3, 4, 5));
}

TEST(JavaVersion, comes_with_its_build_where_the_release_has_it) {
  EXPECT_EQ(
      parse_java_release("A=\"1\"\nJAVA_VERSION=\"17.0.15\"\nJAVA_RUNTIME_VERSION=\"17.0.15+6\"\n"),
      parse_java_version("17.0.15+6"));
  EXPECT_EQ(parse_java_release("JAVA_VERSION=\"1.8.0_25\"\n"), parse_java_version("1.8.0_25"));
  for (const char* text : {"", "JAVA_VERSION=17", "MY_JAVA_VERSION=\"17\"", "JAVA_VERSION=\"\""}) {
    EXPECT_FALSE(parse_java_release(text)) << text;
  }
}

TEST(JavaVersion, is_tried_from_a_release_of_each_on) {
  const auto is_tried = [](const char* text) { return is_tried_java(*parse_java_version(text)); };
  for (const char* text : {"1.7.0_76-b04", "1.8.0_25-b17", "1.8.0_392-b08", "11.0.2+7", "11.0.20+1",
                           "17+11", "17.0.1+1", "21.0.1", "21+22", "19.0.1+10"}) {
    EXPECT_TRUE(is_tried(text)) << text;
  }
  for (const char* text : {"1.7.0_76-b03", "1.8.0_24-b99", "11.0.2+6", "11.0.1", "17+10", "9.0.4",
                           "10.0.2", "20.0.1", "25.0.3+9", "1.6.0_45"}) {
    EXPECT_FALSE(is_tried(text)) << text;
  }
}

}  // namespace
}  // namespace waggle
