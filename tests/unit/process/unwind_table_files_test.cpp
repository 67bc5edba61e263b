// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/unwind_table_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind_table_file.h"
#include "tests/temp_dir.h"

namespace waggle {
namespace {

namespace fs = std::filesystem;

class UnwindFiles : public ::testing::Test {
 protected:
  UnwindFiles()
      : table_(UnwindTable::build(
                   ElfFile::open(open_file("/proc/self/exe", O_RDONLY).value()).value(), rules_)
                   .value()) {}

  // Of a file that the kernel has never had.
  static FileIdentity file(std::uint64_t inode) {
    return {.dev = 1, .inode = inode, .size = 1 << 20, .mtime_ns = 5, .ctime_ns = 6};
  }
  [[nodiscard]] std::size_t table_bytes() const {
    return write_unwind_table(table_, rules_).size();
  }
  [[nodiscard]] std::vector<fs::path> files() const {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(path_)) {
      paths.push_back(entry.path());
    }
    return paths;
  }

  const TempDir directory_;
  const std::string path_ = directory_.path() + "/cache";
  UnwindRules rules_;
  UnwindTable table_;
};

TEST_F(UnwindFiles, are_read_by_the_next_who_opens_the_directory) {
  UnwindTableFiles::open(path_).value()->write(file(1), table_, rules_);
  UnwindRules others;
  const auto again = UnwindTableFiles::open(path_).value();
  const auto table = again->read(file(1), others);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->nodes().size(), table_.nodes().size());
  EXPECT_EQ(again->counters().read, 1U);
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
}

TEST_F(UnwindFiles, serve_no_file_that_differs_in_anything) {
  const auto files = UnwindTableFiles::open(path_).value();
  files->write(file(1), table_, rules_);
  for (auto field : {&FileIdentity::dev, &FileIdentity::inode, &FileIdentity::size}) {
    FileIdentity other = file(1);
    ++(other.*field);
    EXPECT_FALSE(files->read(other, rules_));
  }
  for (auto field : {&FileIdentity::mtime_ns, &FileIdentity::ctime_ns}) {
    FileIdentity other = file(1);
    ++(other.*field);
    EXPECT_FALSE(files->read(other, rules_));
  }
  EXPECT_EQ(files->counters().damaged, 0U);
}

TEST_F(UnwindFiles, that_are_damaged_are_removed_and_counted) {
  const auto cache = UnwindTableFiles::open(path_).value();
  cache->write(file(1), table_, rules_);
  ASSERT_EQ(files().size(), 1U);
  fs::resize_file(files().front(), 1000);
  EXPECT_FALSE(cache->read(file(1), rules_));
  EXPECT_EQ(cache->counters().damaged, 1U);
  EXPECT_TRUE(files().empty());
}

TEST_F(UnwindFiles, that_were_read_least_lately_make_room) {
  const auto cache = UnwindTableFiles::open(path_, table_bytes() * 5 / 2).value();
  cache->write(file(1), table_, rules_);
  cache->write(file(2), table_, rules_);
  ::usleep(20'000);  // times of files have the timer's grain
  ASSERT_TRUE(cache->read(file(1), rules_));
  ::usleep(20'000);
  cache->write(file(3), table_, rules_);
  EXPECT_EQ(files().size(), 2U);
  EXPECT_TRUE(cache->read(file(1), rules_));
  EXPECT_FALSE(cache->read(file(2), rules_));
  EXPECT_TRUE(cache->read(file(3), rules_));
}

TEST_F(UnwindFiles, of_others_who_may_write_there_are_refused) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(path_.c_str(), 0777), 0);
  const auto cache = UnwindTableFiles::open(path_);
  ASSERT_FALSE(cache);
  EXPECT_EQ(cache.error().code, Errc::permission);
  EXPECT_EQ(cache.error().what,
            path_ +
                ": others could put tables there: it must be ours, and writable by nobody else "
                "(chmod 700)");
}

TEST_F(UnwindFiles, are_no_links_to_other_files) {
  const auto cache = UnwindTableFiles::open(path_).value();
  cache->write(file(1), table_, rules_);
  const fs::path kept = files().at(0);
  const fs::path elsewhere = directory_.path() + "/elsewhere";
  fs::rename(kept, elsewhere);
  fs::create_symlink(elsewhere, kept);
  EXPECT_FALSE(cache->read(file(1), rules_));
  EXPECT_TRUE(fs::exists(elsewhere));
}

TEST_F(UnwindFiles, are_not_written_while_another_writes) {
  const auto cache = UnwindTableFiles::open(path_).value();
  const UniqueFd other = open_file(path_, O_RDONLY | O_DIRECTORY).value();
  ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
  cache->write(file(1), table_, rules_);
  EXPECT_EQ(cache->counters().failed, 1U);
  EXPECT_TRUE(files().empty());
  ASSERT_EQ(::flock(other.get(), LOCK_UN), 0);
  cache->write(file(1), table_, rules_);
  EXPECT_EQ(cache->counters().written, 1U);
}

}  // namespace
}  // namespace waggle
