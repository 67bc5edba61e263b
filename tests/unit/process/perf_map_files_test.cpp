// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/perf_map_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "tests/fake_proc.h"
#include "userspace/process/file_time.h"
#include "userspace/process/proc_fs.h"

namespace waggle {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t kPid = 4242;
constexpr const char* kMap = "root/tmp/perf-7.map";

TEST(ProcStatus, tells_the_innermost_pid_and_the_effective_user) {
  const auto status =
      parse_status("Name:\tjava\nPid:\t4242\nUid:\t1000\t1001\t1002\t1003\nNSpid:\t4242\t33\t7\n");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->innermost_pid, 7U);
  EXPECT_EQ(status->effective_uid, 1001U);
}

TEST(ProcStatus, tells_the_effective_group_and_the_caught_signals) {
  const auto status =
      parse_status("Uid:\t0\t0\t0\t0\nGid:\t1\t2\t3\t4\nNSpid:\t7\nSigCgt:\t0000000181005ccf\n");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->effective_gid, 2U);
  EXPECT_TRUE(status->catches(SIGQUIT));
  EXPECT_FALSE(status->catches(SIGTRAP));
  EXPECT_FALSE(parse_status("Uid:\t0\t0\t0\t0\nNSpid:\t7\nSigCgt:\tx\n")->catches(SIGQUIT));
}

TEST(ProcStatus, refuses_what_it_does_not_know) {
  EXPECT_FALSE(parse_status(""));
  EXPECT_FALSE(parse_status("NSpid:\t7\n"));
  EXPECT_FALSE(parse_status("Uid:\t0\t0\t0\t0\nNSpid:\n"));
  EXPECT_FALSE(parse_status("Uid:\t0\t0\t0\t0\nNSpid:\t-7\n"));
  EXPECT_FALSE(parse_status("Uid:\t0\t0\nNSpid:\t7\n"));
}

// A process that started now, pid 7 in its own namespace, and its root.
class PerfMapFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::uint64_t start_ticks = now_ticks();  // once: a tick may pass before a second look
    proc_.put({.pid = kPid, .comm = "jit", .start_ticks = start_ticks, .maps = ""});
    put_status(::geteuid());
    std::filesystem::create_directories(path("root/tmp"));
    start_ns_ = start_ticks * kTickNs;
  }
  static std::uint64_t now_ticks() {
    return static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME)) / kTickNs;
  }
  void put_status(uid_t uid) {
    proc_.put_file(
        kPid, "status",
        fmt::format("Name:\tjit\nUid:\t{0}\t{0}\t{0}\t{0}\nNSpid:\t{1}\t7\n", uid, kPid));
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return fmt::format("{}/{}/{}", proc_.path(), kPid, name);
  }
  [[nodiscard]] process_id process() const { return {kPid, 1, start_ns_}; }
  std::string error() {
    const auto opened = open_perf_map(proc_.path(), kPid);
    return opened ? "" : opened.error().what;
  }

  FakeProc proc_;
  std::uint64_t start_ns_ = 0;
};

TEST_F(PerfMapFilesTest, finds_the_map_in_the_root_and_by_the_pid_of_the_process) {
  proc_.put_file(kPid, kMap, "1000 10 f\n");
  PerfMapFiles files(proc_.path());
  const PerfMapFileRef file = files.find(process(), 0);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(read_all(file->fd.get(), 100).value(), "1000 10 f\n");
  EXPECT_EQ(files.find(process(), 0), file);
}

TEST_F(PerfMapFilesTest, has_the_map_of_a_noted_process_that_is_gone) {
  proc_.put_file(kPid, kMap, "1000 10 f\n");
  PerfMapFiles files(proc_.path());
  files.note(kPid);
  proc_.remove(kPid);
  EXPECT_NE(files.find(process(), 0), nullptr);
  EXPECT_EQ(files.find({kPid, 1, start_ns_ + 1'000'000'000}, 0), nullptr) << "the pid used again";
}

TEST_F(PerfMapFilesTest, takes_no_map_that_an_earlier_process_left) {
  proc_.put_file(kPid, kMap, "1000 10 f\n");
  ::usleep(2 * kFileTimeLagNs / 1000);
  proc_.put({.pid = kPid, .comm = "jit", .start_ticks = now_ticks() + 2, .maps = ""});
  PerfMapFiles files(proc_.path());
  EXPECT_EQ(files.find({kPid, 1, (now_ticks() + 2) * kTickNs}, 0), nullptr);
}

TEST_F(PerfMapFilesTest, takes_no_map_that_an_earlier_program_left) {
  proc_.put_file(kPid, kMap, "1000 10 f\n");
  ::usleep(2 * kFileTimeLagNs / 1000);
  PerfMapFiles files(proc_.path());
  const auto exec_ns = static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC));
  EXPECT_EQ(files.find(process(), exec_ns), nullptr);
  ASSERT_TRUE(write_all(open_file(path(kMap), O_WRONLY).value().get(), "2000 10 g\n"));
  EXPECT_NE(files.find(process(), exec_ns), nullptr);
}

TEST_F(PerfMapFilesTest, follows_no_link_in_place_of_the_map) {
  proc_.put_file(kPid, "root/tmp/other", "1000 10 f\n");
  std::filesystem::create_symlink("other", path(kMap));
  EXPECT_THAT(error(), HasSubstr("not a regular file"));
}

TEST_F(PerfMapFilesTest, follows_no_link_out_of_the_root) {
  const TempDir outside;
  ASSERT_TRUE(write_file_atomically(outside.path() + "/perf-7.map", "1000 10 f\n"));
  std::filesystem::remove(path("root/tmp"));
  std::filesystem::create_directory_symlink(outside.path(), path("root/tmp"));
  EXPECT_THAT(error(), HasSubstr("perf-7.map: ")) << "it was opened";
}

TEST_F(PerfMapFilesTest, opens_no_fifo) {
  ASSERT_EQ(::mkfifo(path(kMap).c_str(), 0600), 0);
  EXPECT_THAT(error(), HasSubstr("not a regular file"));
}

TEST_F(PerfMapFilesTest, opens_no_file_of_another_user) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to make files of other users";
  }
  proc_.put_file(kPid, kMap, "1000 10 f\n");
  put_status(1000);
  EXPECT_EQ(error(), "") << "root's is trusted";
  ASSERT_EQ(::chown(path(kMap).c_str(), 1001, 1001), 0);
  EXPECT_THAT(error(), HasSubstr("another user"));
  ASSERT_EQ(::chown(path(kMap).c_str(), 1000, 1000), 0);
  EXPECT_EQ(error(), "");
}

}  // namespace
}  // namespace waggle
