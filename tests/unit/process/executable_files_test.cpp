// SPDX-License-Identifier: Apache-2.0
// On mappings of this very process.
#include "userspace/process/executable_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "tests/temp_dir.h"
#include "userspace/process/file_time.h"

namespace waggle {
namespace {

using testing::HasSubstr;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kSize = 4 * kPage;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC));
}

// A mapped file, told as the kernel tells of it.
class MappedFixture {
 public:
  explicit MappedFixture(const std::string& path, int flags = O_RDWR) : path_(path) {
    const UniqueFd fd = open_file(path, flags).value();
    struct stat status{};
    CHECK(::fstat(fd.get(), &status) == 0);
    dev_ = S_ISREG(status.st_mode) ? status.st_dev : ::makedev(0, 5);
    inode_ = status.st_ino;
    start_ = ::mmap(nullptr, kSize, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd.get(), 0);
    CHECK(start_ != MAP_FAILED);
  }
  MappedFixture(const MappedFixture&) = delete;
  MappedFixture& operator=(const MappedFixture&) = delete;
  ~MappedFixture() { unmap(); }

  void unmap() {
    if (start_ != MAP_FAILED) {
      CHECK(::munmap(start_, kSize) == 0);
      start_ = MAP_FAILED;
    }
  }
  // Another access for the page in the middle: the kernel makes three areas of the one.
  void split() { CHECK(::mprotect(static_cast<char*>(start_) + kPage, kPage, PROT_READ) == 0); }
  [[nodiscard]] FileMapping at(std::uint64_t time_ns, std::size_t first = 0,
                               std::size_t size = kSize) const {
    const auto start = reinterpret_cast<std::uint64_t>(start_) + first;
    return {.pid = ::getpid(),
            .start = start,
            .end = start + size,
            .path = path_,
            .dev = dev_,
            .inode = inode_,
            .inode_generation = 0,
            .mapped_ns = 0,
            .time_ns = time_ns};
  }

 private:
  std::string path_;
  void* start_;
  std::uint64_t dev_ = 0;
  std::uint64_t inode_ = 0;
};

// Files that are older than any time lag.
class ExecutableFilesTest : public testing::Test {
 protected:
  std::string put(const std::string& name, char content) {
    const std::string path = dir_.path() + "/" + name;
    CHECK(write_file_atomically(path, std::string(kSize, content)));
    return path;
  }
  std::string put_elf(const std::string& name, char content) {
    const std::string path = dir_.path() + "/" + name;
    CHECK(write_file_atomically(path, "\177ELF" + std::string(kSize - 4, content)));
    return path;
  }
  char content_of(const ExecutableFile& file) const {
    const UniqueFd fd = open_again(files_.find_place(file), file.identity).value();
    char c = 0;
    CHECK(::pread(fd.get(), &c, 1, 0) == 1);
    return c;
  }
  static void wait_for_lag() { ::usleep(2 * kFileTimeLagNs / 1000); }

  TempDir dir_;
  ExecutableFiles files_;
};

TEST_F(ExecutableFilesTest, opens_a_file_once_for_all_its_mappings) {
  const std::string path = put("a", 'a');
  wait_for_lag();
  const MappedFixture first(path);
  const MappedFixture second(path);
  const auto file = files_.open(first.at(now_ns()));
  ASSERT_TRUE(file) << file.error().what;
  EXPECT_EQ(files_.open(second.at(now_ns())).value(), *file);
  EXPECT_EQ(files_.count(), 1U);
  EXPECT_EQ((*file)->name, "a");
  EXPECT_FALSE((*file)->is_elf);
}

TEST_F(ExecutableFilesTest, opens_what_was_mapped_when_the_path_leads_to_another) {
  const std::string path = put("a", 'a');
  wait_for_lag();
  const MappedFixture mapped(path);
  put("a", 'b');
  EXPECT_EQ(content_of(*files_.open(mapped.at(now_ns())).value()), 'a');
}

TEST_F(ExecutableFilesTest, finds_the_file_of_a_mapping_that_the_kernel_has_split) {
  const std::string path = put("a", 'a');
  wait_for_lag();
  MappedFixture mapped(path);
  mapped.split();
  std::filesystem::remove(path);
  const auto file = files_.open(mapped.at(now_ns()));
  ASSERT_TRUE(file) << file.error().what;
  EXPECT_EQ(content_of(**file), 'a');
}

TEST_F(ExecutableFilesTest, finds_the_file_of_a_part_of_a_mapping) {
  const std::string path = put("a", 'a');
  wait_for_lag();
  const MappedFixture mapped(path);
  std::filesystem::remove(path);
  EXPECT_TRUE(files_.open(mapped.at(now_ns(), kPage, kPage)));
}

TEST_F(ExecutableFilesTest, has_a_noted_file_read_before_its_process_is_gone) {
  MappedFixture mapped(put_elf("a", 'a'));
  const FileMapping mapping = mapped.at(now_ns());
  files_.note(mapping);
  mapped.unmap();
  put_elf("a", 'b');
  const auto file = files_.open(mapping);
  ASSERT_TRUE(file) << file.error().what;
  const std::vector<OpenedFile> opened = files_.take_opened();
  ASSERT_EQ(opened.size(), 1U);
  EXPECT_EQ(opened.front().file, *file);
  EXPECT_EQ(identify(opened.front().fd.get()).value().inode, mapping.inode);
  EXPECT_FALSE(open_again(files_.find_place(**file), (*file)->identity));
}

// Nobody can tell whether the number was used again meanwhile; its generation can.
TEST_F(ExecutableFilesTest, knows_an_inode_of_a_process_that_is_gone_by_its_generation) {
  MappedFixture mapped(put_elf("a", 'a'));
  FileMapping mapping = mapped.at(now_ns());
  mapping.inode_generation = 7;
  files_.note(mapping);
  mapped.unmap();
  put_elf("a", 'b');
  wait_for_lag();
  FileMapping later = mapping;
  later.pid = 999'999'999;
  later.mapped_ns = later.time_ns = now_ns();
  for (const std::uint64_t generation : {0U, 8U}) {
    later.inode_generation = generation;
    files_.note(later);
    EXPECT_FALSE(files_.open(later)) << generation;
  }
  later.inode_generation = 7;
  files_.note(later);
  EXPECT_TRUE(files_.open(later));
}

TEST_F(ExecutableFilesTest, has_a_deleted_file_read_at_once) {
  const std::string path = put_elf("a", 'a');
  const MappedFixture there(put_elf("b", 'b'));
  const MappedFixture deleted(path);
  wait_for_lag();
  std::filesystem::remove(path);
  ASSERT_TRUE(files_.open(there.at(now_ns())));
  const auto file = files_.open(deleted.at(now_ns())).value();
  const std::vector<OpenedFile> opened = files_.take_opened();
  ASSERT_EQ(opened.size(), 1U);
  EXPECT_EQ(opened.front().file, file);
}

TEST_F(ExecutableFilesTest, keeps_no_file_system_from_being_unmounted) {
  const std::string place = dir_.path() + "/mounted";
  std::filesystem::create_directory(place);
  if (::mount("tmpfs", place.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "cannot mount a tmpfs: " << std::strerror(errno);
  }
  put_elf("mounted/a", 'a');
  {
    const MappedFixture mapped(place + "/a");
    files_.note(mapped.at(now_ns()));
    EXPECT_TRUE(files_.open(mapped.at(now_ns())));
  }
  EXPECT_EQ(files_.take_opened().size(), 1U);  // read and closed
  EXPECT_EQ(::umount(place.c_str()), 0) << std::strerror(errno);
}

TEST_F(ExecutableFilesTest, does_not_take_what_was_mapped_there_later) {
  const std::string path = put("a", 'a');
  const std::string other = put("b", 'b');
  wait_for_lag();
  MappedFixture mapped(path);
  const FileMapping mapping = mapped.at(now_ns());
  mapped.unmap();
  const UniqueFd fd = open_file(other, O_RDONLY).value();
  void* const at = reinterpret_cast<void*>(mapping.start);
  ASSERT_EQ(::mmap(at, kSize, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd.get(), 0), at);
  std::filesystem::remove(path);
  files_.note(mapping);
  const auto file = files_.open(mapping);
  EXPECT_FALSE(file) << (*file)->name;
  ASSERT_EQ(::munmap(at, kSize), 0);
}

TEST_F(ExecutableFilesTest, finds_by_path_only_the_same_inode) {
  const std::string path = put("a", 'a');
  wait_for_lag();
  MappedFixture mapped(path);
  const FileMapping mapping = mapped.at(now_ns());
  mapped.unmap();
  EXPECT_TRUE(files_.open(mapping));
  ExecutableFiles others;
  put("a", 'b');
  EXPECT_FALSE(others.open(mapping));
}

// As if the inode had been used again: a file that is younger than the sample.
TEST_F(ExecutableFilesTest, takes_no_file_that_was_made_after_the_sample) {
  const std::uint64_t before_ns = now_ns();
  wait_for_lag();
  const MappedFixture mapped(put("a", 'a'));
  const auto file = files_.open(mapped.at(before_ns));
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().what, HasSubstr("newer"));
  wait_for_lag();
  EXPECT_TRUE(files_.open(mapped.at(now_ns())));
}

TEST_F(ExecutableFilesTest, tells_the_old_content_of_a_file_from_the_new) {
  const std::string path = put("a", 'a');
  wait_for_lag();
  const MappedFixture mapped(path);
  const std::uint64_t before_ns = now_ns();
  const auto before = files_.open(mapped.at(before_ns)).value();
  wait_for_lag();
  ASSERT_TRUE(write_all(open_file(path, O_WRONLY).value().get(), "b"));
  wait_for_lag();
  const auto after = files_.open(mapped.at(now_ns())).value();
  EXPECT_NE(after->identity, before->identity);
  EXPECT_EQ(files_.open(mapped.at(now_ns())).value(), after);
  EXPECT_FALSE(files_.open(mapped.at(before_ns)));
}

TEST_F(ExecutableFilesTest, opens_no_device) {
  const MappedFixture mapped("/dev/zero");
  const auto file = files_.open(mapped.at(now_ns()));
  ASSERT_FALSE(file);
  EXPECT_EQ(files_.count(), 0U);
}

// The path of a process that is gone leads to something that blocks, or acts, when it is opened.
TEST_F(ExecutableFilesTest, opens_no_special_file_at_the_path) {
  const std::string fifo = dir_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  struct stat status{};
  ASSERT_EQ(::stat(fifo.c_str(), &status), 0);
  const FileMapping mapping{.pid = 999'999'999,
                            .start = 0x1000,
                            .end = 0x2000,
                            .path = fifo,
                            .dev = status.st_dev,
                            .inode = status.st_ino,
                            .inode_generation = 0,
                            .mapped_ns = 0,
                            .time_ns = now_ns()};
  EXPECT_FALSE(files_.open(mapping));
  // Nobody ever opened it for reading.
  EXPECT_EQ(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
  EXPECT_EQ(errno, ENXIO);
}

// Kernels 6.7 to 6.17 tell in the event stream of the inode beneath.
TEST_F(ExecutableFilesTest, finds_a_file_of_an_overlay_under_another_inode) {
  const std::string lower = dir_.path() + "/lower";
  const std::string merged = dir_.path() + "/merged";
  std::filesystem::create_directory(lower);
  const std::string empty = dir_.path() + "/empty";
  std::filesystem::create_directory(merged);
  std::filesystem::create_directory(empty);
  put("lower/a", 'a');
  if (::mount("overlay", merged.c_str(), "overlay", MS_RDONLY,
              fmt::format("lowerdir={}:{}", lower, empty).c_str()) != 0) {
    GTEST_SKIP() << "cannot mount an overlay: " << std::strerror(errno);
  }
  wait_for_lag();
  {
    const MappedFixture mapped(merged + "/a", O_RDONLY);
    FileMapping beneath = mapped.at(now_ns());
    beneath.dev += 1;
    beneath.path = "/beneath/a";
    const auto file = files_.open(beneath);
    EXPECT_TRUE(file) << file.error().what;
    beneath.dev += 1;
    beneath.path = "/beneath/b";
    EXPECT_FALSE(files_.open(beneath));
  }
  EXPECT_EQ(::umount(merged.c_str()), 0);
}

}  // namespace
}  // namespace waggle
