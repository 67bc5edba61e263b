// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace waggle {
namespace {

using testing::HasSubstr;
using Names = std::vector<std::string>;

TEST(AsyncProfilerLibrary, serves_both_c_libraries_where_it_needs_what_both_have) {
  const Names both{"libdl.so.2", "libpthread.so.0", "librt.so.1", "libc.so.6"};
  EXPECT_EQ(why_not_to_load(both, false), std::nullopt);
  EXPECT_EQ(why_not_to_load(both, true), std::nullopt);
}

TEST(AsyncProfilerLibrary, of_one_c_library_is_not_loaded_by_the_other) {
  EXPECT_EQ(why_not_to_load(Names{"libc.so.6", "libstdc++.so.6"}, false), std::nullopt);
  EXPECT_THAT(why_not_to_load(Names{"libc.so.6", "libstdc++.so.6"}, true).value_or(""),
              HasSubstr("this JVM runs on musl, the async-profiler that was found needs "
                        "libstdc++.so.6"));
  EXPECT_THAT(why_not_to_load(Names{"ld-linux-x86-64.so.2"}, true).value_or(""),
              HasSubstr("needs ld-linux-x86-64.so.2"));
  const Names musl{"libc.musl-x86_64.so.1"};
  EXPECT_EQ(why_not_to_load(musl, true), std::nullopt);
  EXPECT_THAT(why_not_to_load(musl, false).value_or(""),
              HasSubstr("this JVM runs on glibc, the async-profiler that was found needs "
                        "libc.musl-x86_64.so.1"));
}

TEST(AsyncProfilerLibrary, is_nothing_else) {
  const auto text = read_async_profiler("/etc/passwd");
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().what, HasSubstr("/etc/passwd is no shared library: not an ELF file"));
  const auto none = read_async_profiler("/nonexistent");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().what, HasSubstr("/nonexistent"));
}

TEST(AsyncProfilerVersion, is_what_the_library_tells) {
  EXPECT_EQ(find_async_profiler_version(std::string_view("x\0async-profiler 4.4\0y", 22)), "4.4");
  EXPECT_EQ(find_async_profiler_version("Async-profiler Server\nAsync-profiler 2.9 built on Nov"),
            "2.9");
  EXPECT_EQ(find_async_profiler_version("async-profiler 4"), std::nullopt);
  EXPECT_EQ(find_async_profiler_version("async-profiler ."), std::nullopt);
  EXPECT_EQ(find_async_profiler_version(""), std::nullopt);
}

}  // namespace
}  // namespace waggle
