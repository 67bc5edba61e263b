// SPDX-License-Identifier: Apache-2.0
// This process stands for the one that is profiled: the place is made in its own root.
#include "userspace/tools/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kName = "libasyncProfiler.so";

TargetProcess this_process() {
  TargetProcess process;
  EXPECT_TRUE(process.open(::getpid()) && process.identify());
  return process;
}

class Placement : public testing::Test {
 protected:
  Placement() : library_(folder_.path() + "/library") {
    (void)write_file_atomically(library_, "the library");
  }
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "not root, as whom waggle runs";
    }
  }

  TempDir folder_;
  std::string library_;
};

TEST_F(Placement, is_private_and_gone_afterwards) {
  std::string directory;
  {
    auto place = LibraryPlace::make(this_process(), library_, kName, "");
    ASSERT_TRUE(place) << place.error().what;
    EXPECT_THAT(place->library(), StartsWith("/tmp/waggle-"));
    EXPECT_TRUE(is_placed_by_us(place->library(), kName));
    directory = std::filesystem::path(place->library()).parent_path();
    struct stat status{};
    ASSERT_EQ(::stat(directory.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0700U);
    EXPECT_EQ(read_file(place->library(), 100), "the library");
    auto file = place->make_file("stacks");
    ASSERT_TRUE(file) << file.error().what;
    ASSERT_TRUE(write_file_atomically(file->path + "2", "x"));
    ASSERT_EQ(::unlink((file->path + "2").c_str()), 0);
    EXPECT_EQ(::stat(file->path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST_F(Placement, belongs_to_the_user_of_the_process) {
  constexpr uid_t kSomebody = 4242;
  TargetProcess process = this_process();
  process.status.effective_uid = kSomebody;
  process.status.effective_gid = kSomebody;
  auto place = LibraryPlace::make(process, library_, kName, "");
  ASSERT_TRUE(place) << place.error().what;
  struct stat status{};
  ASSERT_EQ(::stat(std::filesystem::path(place->library()).parent_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, kSomebody);
  const auto file = place->make_file("stacks");
  ASSERT_TRUE(file) << file.error().what;
  ASSERT_EQ(::stat(file->path.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, kSomebody);
}

TEST_F(Placement, is_under_the_name_that_a_library_of_ours_was_loaded_by) {
  const std::string name = "/tmp/waggle-00112233445566aa/libasyncProfiler.so";
  auto place = LibraryPlace::make(this_process(), library_, kName, name);
  ASSERT_TRUE(place) << place.error().what;
  EXPECT_EQ(place->library(), name);
  const auto second = LibraryPlace::make(this_process(), library_, kName, name);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::exhausted) << second.error().what;
}

TEST_F(Placement, takes_over_what_a_killed_waggle_has_left_but_not_what_is_of_others) {
  const std::string directory = "/tmp/waggle-00112233445566bb";
  const std::string name = directory + "/libasyncProfiler.so";
  std::filesystem::remove_all(directory);
  ASSERT_EQ(::mkdir(directory.c_str(), 0700), 0);
  ASSERT_TRUE(write_file_atomically(name, "an older one"));
  {
    const auto place = LibraryPlace::make(this_process(), library_, kName, name);
    ASSERT_TRUE(place) << place.error().what;
    EXPECT_EQ(read_file(name, 100), "the library");
  }
  EXPECT_FALSE(std::filesystem::exists(directory));

  ASSERT_EQ(::mkdir(directory.c_str(), 0700), 0);
  ASSERT_EQ(::chown(directory.c_str(), 4242, 4242), 0);
  const auto taken = LibraryPlace::make(this_process(), library_, kName, name);
  std::filesystem::remove_all(directory);
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().what, HasSubstr("is of another user than the process"));

  const TempDir elsewhere;
  std::filesystem::create_directory_symlink(elsewhere.path(), directory);
  const auto linked = LibraryPlace::make(this_process(), library_, kName, name);
  std::filesystem::remove(directory);
  EXPECT_FALSE(linked);
}

TEST(PlacedByUs, is_what_has_our_form_alone) {
  EXPECT_TRUE(is_placed_by_us("/run/waggle-0123456789abcdef/libasyncProfiler.so", kName));
  for (const char* path : {"", "/tmp/waggle-0123456789abcdeg/libasyncProfiler.so",
                           "/tmp/waggle-../../etc/libasyncProfiler.so",
                           "/srv/waggle-0123456789abcdef/libasyncProfiler.so",
                           "/tmp/waggle-0123456789abcdef/libasyncProfiler.so.1",
                           "/tmp/x/waggle-0123456789abcdef/libasyncProfiler.so",
                           "/opt/async-profiler/lib/libasyncProfiler.so"}) {
    EXPECT_FALSE(is_placed_by_us(path, kName)) << path;
  }
}

}  // namespace
}  // namespace waggle
