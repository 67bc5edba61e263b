// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/external_metadata.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <time.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/file.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

using testing::HasSubstr;

TEST(ExternalMetadata, is_what_static_holds) {
  const auto found = parse_external_metadata(
      R"({"static": {"team": "a", "n": [1, 2]}, "application": {"12": {"x": 1}}})");
  EXPECT_EQ(found.of_host, R"({"team":"a","n":[1,2]})");
  EXPECT_EQ(found.problem, "");
  EXPECT_EQ(found.of_processes, (std::map<std::uint32_t, std::string>{{12, R"({"x":1})"}}));
  const auto odd = parse_external_metadata(R"({"application": {"-1": {}, "a": {}, "7": 1}})");
  EXPECT_TRUE(odd.of_processes.empty());
  EXPECT_EQ(odd.problem, "");
  EXPECT_EQ(parse_external_metadata(R"({"application": {}})").of_host, "{}");
}

TEST(ExternalMetadata, is_empty_where_the_text_is_of_another_form) {
  for (const auto* const text : {"", "{", "[]", "7", R"({"static": 7})", R"({"application": 7})"}) {
    const auto found = parse_external_metadata(text);
    EXPECT_EQ(found.of_host, "{}") << text;
    EXPECT_NE(found.problem, "") << text;
  }
}

TEST(ExternalMetadata, is_read_while_it_is_fresh) {
  const TempDir dir;
  const std::string path = dir.path() + "/external.json";
  EXPECT_EQ(read_external_metadata(path).error().code, Errc::not_found);
  ASSERT_TRUE(write_file_atomically(path, R"({"static": {"team": "a"}})"));
  const auto fresh = read_external_metadata(path);
  ASSERT_TRUE(fresh) << fresh.error().what;
  EXPECT_EQ(fresh->of_host, R"({"team":"a"})");
  const timespec old{.tv_sec = ::time(nullptr) - 301, .tv_nsec = 0};
  const std::array times{old, old};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0), 0);
  const auto stale = read_external_metadata(path);
  ASSERT_FALSE(stale);
  EXPECT_THAT(stale.error().what, HasSubstr("was last written 301 seconds ago"));
}

TEST(ExternalMetadata, does_not_wait_for_a_pipe) {
  const TempDir dir;
  const std::string path = dir.path() + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(read_external_metadata(path).error().what, HasSubstr("is no regular file"));
}

}  // namespace
}  // namespace waggle
