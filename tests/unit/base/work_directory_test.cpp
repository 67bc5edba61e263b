// SPDX-License-Identifier: Apache-2.0
#include "base/work_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "base/unique_fd.h"
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

// As a waggle that is killed does: a child of ours that makes one and dies.
std::string leave_one() {
  std::array<int, 2> pipe{};
  CHECK(::pipe2(pipe.data(), O_CLOEXEC) == 0);
  const UniqueFd read_end(pipe[0]);
  UniqueFd write_end(pipe[1]);
  const pid_t pid = ::fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    auto work = WorkDirectory::make();
    std::filesystem::create_directories(work->path() + "/deep/er");
    std::ofstream(work->path() + "/deep/er/file") << "x";
    (void)write_all(write_end.get(), work->path());
    (void)::kill(::getpid(), SIGKILL);
  }
  write_end.reset();
  const std::string path = read_all(read_end.get(), 4096).value();
  int status = 0;
  CHECK(::waitpid(pid, &status, 0) == pid);
  return path;
}

TEST(WorkDirectory, removes_what_a_killed_one_of_ours_left) {
  const TempDir dir;
  const TemporaryRoot root(dir.path());
  std::filesystem::create_directory(dir.path() + "/precious");
  std::ofstream(dir.path() + "/precious/file") << "x";
  const std::string left = leave_one();
  ASSERT_TRUE(std::filesystem::exists(left + "/deep/er/file"));
  std::filesystem::create_symlink(dir.path() + "/precious", left + "/link");
  const auto work = WorkDirectory::make();
  ASSERT_TRUE(work);
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(std::filesystem::exists(dir.path() + "/precious/file"));
  EXPECT_TRUE(std::filesystem::exists(work->path()));
}

TEST(WorkDirectory, leaves_those_that_are_in_use_and_those_of_others) {
  const TempDir dir;
  const TemporaryRoot root(dir.path());
  const auto used = WorkDirectory::make();
  ASSERT_TRUE(used);
  const auto make = [&](const std::string& name, std::filesystem::perms mode) {
    std::filesystem::create_directory(dir.path() + "/" + name);
    std::ofstream(dir.path() + "/" + name + "/file") << "x";
    std::filesystem::permissions(dir.path() + "/" + name, mode);
  };
  make("waggle-work-open00", std::filesystem::perms::all);
  make("waggle-other0", std::filesystem::perms::owner_all);
  make("waggle-work-longer0", std::filesystem::perms::owner_all);
  make("target", std::filesystem::perms::owner_all);
  std::filesystem::create_directory_symlink(dir.path() + "/target",
                                            dir.path() + "/waggle-work-link00");
  std::ofstream(dir.path() + "/waggle-work-file00") << "x";
  if (::geteuid() == 0) {
    make("waggle-work-theirs", std::filesystem::perms::owner_all);
    ASSERT_EQ(::chown((dir.path() + "/waggle-work-theirs").c_str(), 12345, 12345), 0);
  }
  const auto work = WorkDirectory::make();
  ASSERT_TRUE(work);
  EXPECT_TRUE(std::filesystem::exists(used->path()));
  for (const std::string name :
       {"waggle-work-open00/file", "waggle-other0/file", "waggle-work-longer0/file", "target/file",
        "waggle-work-link00", "waggle-work-file00"}) {
    EXPECT_TRUE(std::filesystem::exists(dir.path() + "/" + name)) << name;
  }
  EXPECT_EQ(std::filesystem::exists(dir.path() + "/waggle-work-theirs/file"), ::geteuid() == 0);
}

// Each makes and removes some while the others look for what is left.
TEST(WorkDirectory, is_never_taken_from_one_that_lives) {
  const TempDir dir;
  const TemporaryRoot root(dir.path());
  constexpr int kProcesses = 4;
  constexpr int kTimes = 200;
  std::array<pid_t, kProcesses> pids{};
  for (pid_t& pid : pids) {
    pid = ::fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      for (int i = 0; i < kTimes; ++i) {
        const auto work = WorkDirectory::make();
        std::ofstream(work ? work->path() + "/file" : "") << "x";
        ::sched_yield();
        if (!work || !std::filesystem::exists(work->path() + "/file")) {
          ::_exit(1);
        }
      }
      ::_exit(0);
    }
  }
  for (const pid_t pid : pids) {
    int status = -1;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(WorkDirectory, names_the_place_where_it_cannot_be) {
  const TemporaryRoot root("/nonexistent");
  const auto work = WorkDirectory::make();
  ASSERT_FALSE(work);
  EXPECT_NE(work.error().what.find("/nonexistent/waggle-"), std::string::npos);
}

}  // namespace
}  // namespace waggle
