// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/attach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace waggle
