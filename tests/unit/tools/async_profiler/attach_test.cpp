// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/attach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "userspace/tools/async_profiler/jattach.h"

namespace waggle {
namespace {

using testing::HasSubstr;

TEST(LoadReply, is_the_code_of_the_library) {
  EXPECT_EQ(parse_load_reply("0\nreturn code: 0\n"), 0);
  EXPECT_EQ(parse_load_reply("0\nreturn code: 200\n"), 200);
  EXPECT_EQ(parse_load_reply("0\n100\n"), 100);  // JDK 8
}

TEST(LoadReply, tells_why_the_library_is_not_loaded) {
  // JDK 17, then JDK 25.
  for (const char* text : {"-1\n/x.so was not loaded.\n/x.so: cannot open shared object file\n",
                           "0\n/x.so was not loaded.\n/x.so: cannot open shared object file\n"}) {
    const auto code = parse_load_reply(text);
    ASSERT_FALSE(code) << text;
    EXPECT_EQ(
        code.error().what,
        "the JVM has refused it: /x.so was not loaded.?/x.so: cannot open shared object file");
  }
  EXPECT_THAT(parse_load_reply("101\n").error().what, HasSubstr("status 101"));
}

TEST(LoadReply, refuses_what_no_jvm_says) {
  for (const char* text : {"", "\n", "hello\n", "0x\nreturn code: 0\n", "99999999999\n"}) {
    const auto code = parse_load_reply(text);
    ASSERT_FALSE(code) << text;
    EXPECT_EQ(code.error().code, Errc::malformed) << text;
  }
  EXPECT_FALSE(parse_load_reply("0\n"));
  EXPECT_FALSE(parse_load_reply("0\nreturn code: \n"));
  EXPECT_FALSE(parse_load_reply("-1\nreturn code: 0\n"));
}

constexpr std::string_view kConnected = "Connected to remote JVM\nJVM response code = ";

TEST(JattachOutput, has_the_reply_of_the_jvm) {
  const auto parse = [](std::string_view reply) {
    return parse_jattach_output(std::string(kConnected) + std::string(reply));
  };
  EXPECT_EQ(parse("0\nreturn code: 0\n\n"), 0);
  EXPECT_EQ(parse("0\nreturn code: 200\n\n"), 200);
  EXPECT_EQ(parse("0\n100\n"), 100);
  const auto refused = parse("0\n/x.so was not loaded.\n/x.so: cannot open\n\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::system);
  EXPECT_EQ(refused.error().what,
            "the JVM has refused it: /x.so was not loaded.?/x.so: cannot open");
}

TEST(JattachOutput, without_a_reply_is_none) {
  for (const char* text : {"", "Connected to remote JVM\n", "JVM response code =", "hello"}) {
    const auto code = parse_jattach_output(text);
    ASSERT_FALSE(code) << text;
    EXPECT_EQ(code.error().code, Errc::malformed) << text;
  }
  EXPECT_EQ(parse_jattach_output(std::string(kConnected) + "?\n").error().code, Errc::malformed);
}

}  // namespace
}  // namespace waggle
