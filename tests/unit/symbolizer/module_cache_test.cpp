// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/module_cache.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/temp_dir.h"
#include "tests/unit/symbolizer/fixture.h"

namespace waggle {
namespace {

FileIdentity identity_of(const std::string& path) {
  return identify(open_for_test(path).get()).value();
}

ModuleCache::Open opener(const std::string& path, int* calls) {
  return [path, calls] {
    ++*calls;
    return open_file(path, O_RDONLY);
  };
}

TEST(ModuleCache, opens_each_file_once) {
  ModuleCache cache(64 << 20);
  int calls = 0;
  const std::string path = fixture("sample_pie");
  const auto first = cache.get(identity_of(path), opener(path, &calls)).value();
  const auto second = cache.get(identity_of(path), opener(path, &calls)).value();
  EXPECT_EQ(first, second);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(cache.stats().hits, 1U);
  EXPECT_EQ(cache.stats().misses, 1U);
  EXPECT_GE(cache.stats().bytes, first->size_bytes());
}

TEST(ModuleCache, evicts_the_least_recently_used_and_leaves_it_to_its_holder) {
  int calls = 0;
  const std::string a = fixture("sample_pie");
  const std::string b = fixture("sample_no_pie");
  const std::string c = fixture("sample_rdynamic");
  ModuleCache cache((5 << 20) / 2);  // a module of a few symbols counts as 1 MiB
  const auto held = cache.get(identity_of(a), opener(a, &calls)).value();
  ASSERT_TRUE(cache.get(identity_of(b), opener(b, &calls)));
  ASSERT_TRUE(cache.get(identity_of(a), opener(a, &calls)));
  ASSERT_TRUE(cache.get(identity_of(c), opener(c, &calls)));  // b goes
  EXPECT_EQ(cache.stats().evictions, 1U);
  EXPECT_EQ(calls, 3);
  ASSERT_TRUE(cache.get(identity_of(a), opener(a, &calls)));
  EXPECT_EQ(calls, 3);
  ASSERT_TRUE(cache.get(identity_of(b), opener(b, &calls)));
  EXPECT_EQ(calls, 4);
  EXPECT_LE(cache.stats().bytes, std::size_t{5 << 20} / 2);
  EXPECT_TRUE(held->symbols().find_named("main"));
}

TEST(ModuleCache, remembers_failures_with_their_reason) {
  ModuleCache cache(64 << 20);
  int calls = 0;
  const std::string path = FIXTURE_SOURCE;
  const auto first = cache.get(identity_of(path), opener(path, &calls));
  const auto second = cache.get(identity_of(path), opener(path, &calls));
  ASSERT_FALSE(first);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().what, first.error().what);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(cache.stats().failures, 1U);
}

TEST(ModuleCache, bounds_failures_too) {
  ModuleCache cache(100 << 10);
  for (std::uint64_t inode = 0; inode < 10'000; ++inode) {
    const FileIdentity identity{1, inode, 1, 1, 1};
    const auto module =
        cache.get(identity, [] { return Result<UniqueFd>(fail(Errc::not_found, "gone")); });
    EXPECT_EQ(module.error().what, "gone");
    ASSERT_LE(cache.stats().bytes, std::size_t{100 << 10});
  }
}

TEST(ModuleCache, never_takes_a_replaced_file_for_the_old_one) {
  const TempDir dir;
  const std::string path = dir.path() + "/program";
  const std::string text = read_file(fixture("sample_pie"), 1 << 20).value();
  ASSERT_TRUE(write_file_atomically(path, text));
  const FileIdentity old = identity_of(path);
  ASSERT_TRUE(write_file_atomically(path, text));
  EXPECT_NE(identity_of(path), old);
  ModuleCache cache(64 << 20);
  int calls = 0;
  const auto module = cache.get(old, opener(path, &calls));
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().what, "the file has been replaced");
}

}  // namespace
}  // namespace waggle
