// SPDX-License-Identifier: Apache-2.0
#include "base/work_directory.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "tests/temp_dir.h"

namespace waggle {
namespace {

// TMPDIR for one test.
class TemporaryRoot {
 public:
  explicit TemporaryRoot(const std::string& path) {
    const char* value = ::getenv("TMPDIR");
    before_ = value == nullptr ? "" : value;
    ::setenv("TMPDIR", path.c_str(), 1);
  }
  TemporaryRoot(const TemporaryRoot&) = delete;
  TemporaryRoot& operator=(const TemporaryRoot&) = delete;
  ~TemporaryRoot() {
    if (before_.empty()) {
      ::unsetenv("TMPDIR");
    } else {
      ::setenv("TMPDIR", before_.c_str(), 1);
    }
  }

 private:
  std::string before_;
};

TEST(WorkDirectory, is_private_and_goes_with_all_in_it) {
  const TempDir dir;
  const TemporaryRoot root(dir.path());
  std::string path;
  {
    const auto work = WorkDirectory::make();
    ASSERT_TRUE(work) << work.error().what;
    path = work->path();
    EXPECT_EQ(std::filesystem::path(path).parent_path(), dir.path());
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700U);
    std::filesystem::create_directories(path + "/deep/er");
    std::ofstream(path + "/deep/er/file") << "x";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(WorkDirectory, follows_no_link_when_it_is_removed) {
  const TempDir dir;
  std::filesystem::create_directory(dir.path() + "/precious");
  std::ofstream(dir.path() + "/precious/file") << "x";
  {
    const auto work = WorkDirectory::make();
    ASSERT_TRUE(work);
    std::filesystem::create_symlink(dir.path() + "/precious", work->path() + "/link");
  }
  EXPECT_TRUE(std::filesystem::exists(dir.path() + "/precious/file"));
}

TEST(WorkDirectory, has_one_owner) {
  auto first = WorkDirectory::make();
  ASSERT_TRUE(first);
  const std::string path = first->path();
  auto second = WorkDirectory::make();
  ASSERT_TRUE(second);
  const std::string replaced = second->path();
  *second = *std::move(first);
  EXPECT_FALSE(std::filesystem::exists(replaced));
  EXPECT_TRUE(std::filesystem::exists(path));
  second->remove();
  second->remove();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(WorkDirectory, names_the_place_where_it_cannot_be) {
  const TemporaryRoot root("/nonexistent");
  const auto work = WorkDirectory::make();
  ASSERT_FALSE(work);
  EXPECT_NE(work.error().what.find("/nonexistent/waggle-"), std::string::npos);
}

}  // namespace
}  // namespace waggle
