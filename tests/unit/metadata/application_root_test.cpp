// SPDX-License-Identifier: Apache-2.0
#include "userspace/metadata/application_root.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

constexpr uid_t kUser = 4242;

// A directory as /proc has one for a process, of that user.
class ApplicationRootTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string directory = dir_.path() + "/process";
    std::filesystem::create_directories(dir_.path() + "/tree/srv");
    std::filesystem::create_directory(directory);
    std::filesystem::create_symlink(dir_.path() + "/tree", directory + "/root");
    std::filesystem::create_symlink(dir_.path() + "/tree/srv", directory + "/cwd");
    if (::chown(directory.c_str(), kUser, kUser) != 0) {
      GTEST_SKIP() << "files of other users cannot be made here";
    }
    process_ = UniqueFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  void write(const std::string& name, mode_t mode, uid_t owner) const {
    const std::string path = dir_.path() + "/tree" + name;
    std::ofstream(path) << name;
    ASSERT_EQ(::chown(path.c_str(), owner, owner), 0);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
  [[nodiscard]] std::optional<std::string> read(const std::string& path) const {
    return ApplicationRoot(process_.get()).read(path);
  }

  TempDir dir_;
  UniqueFd process_;
};

TEST_F(ApplicationRootTest, reads_what_the_user_of_the_process_may_read) {
  write("/srv/public", 0644, 0);
  write("/srv/own", 0600, kUser);
  write("/srv/secret", 0600, 0);
  write("/srv/of_another", 0640, 4243);
  EXPECT_EQ(read("/srv/public"), "/srv/public");
  EXPECT_EQ(read("public"), "/srv/public") << "from its directory";
  EXPECT_EQ(read("own"), "/srv/own");
  EXPECT_EQ(read("secret"), std::nullopt);
  EXPECT_EQ(read("of_another"), std::nullopt);
}

TEST_F(ApplicationRootTest, ends_links_in_the_root_of_the_process) {
  write("/srv/file", 0644, 0);
  std::filesystem::create_symlink("/srv/file", dir_.path() + "/tree/inside");
  std::filesystem::create_symlink("/etc/hostname", dir_.path() + "/tree/outside");
  EXPECT_EQ(read("/inside"), "/srv/file");
  EXPECT_EQ(read("/../../inside"), "/srv/file");
  EXPECT_EQ(read("/outside"), std::nullopt);
  EXPECT_EQ(ApplicationRoot(process_.get()).resolve("/inside"), "/srv/file");
}

TEST_F(ApplicationRootTest, opens_no_pipe_and_no_large_file) {
  ASSERT_EQ(::mkfifo((dir_.path() + "/tree/pipe").c_str(), 0644), 0);
  EXPECT_EQ(read("/pipe"), std::nullopt);
  write("/large", 0644, 0);
  std::filesystem::resize_file(dir_.path() + "/tree/large", ApplicationRoot::kMaxFileBytes + 1);
  EXPECT_EQ(read("/large"), std::nullopt);
  EXPECT_EQ(read("/srv"), std::nullopt);
}

}  // namespace
}  // namespace waggle
