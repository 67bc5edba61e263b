// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/process_table.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/fake_proc.h"

namespace waggle {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMs;
constexpr std::uint64_t kOffset = 5000 * kSecond;  // the host slept

// Time is what the test says; /proc is what it put there.
class ProcessTableTest : public testing::Test {
 protected:
  ProcessTable& table() {
    if (!table_) {
      table_ = std::make_unique<ProcessTable>(ProcFs(proc_.path()), limits_,
                                              [this] { return TableClock{now_ns_, kOffset}; });
    }
    return *table_;
  }

  void at(std::uint64_t time_ns) { now_ns_ = time_ns; }
  void fork(std::uint32_t parent, std::uint32_t child) {
    table().apply(ForkRecord{now_ns_, child, child, parent, parent});
  }
  void thread(std::uint32_t pid, std::uint32_t tid) {
    table().apply(ForkRecord{now_ns_, pid, tid, pid, pid});
  }
  void exec(std::uint32_t pid, std::string_view comm) {
    table().apply(ExecRecord{now_ns_, pid, pid, comm});
  }
  void map(std::uint32_t pid, std::uint64_t start, std::uint64_t size, std::string_view path) {
    MapRecord record{};
    record.time_ns = now_ns_;
    record.pid = record.tid = pid;
    record.start = start;
    record.size_bytes = size;
    record.inode = std::hash<std::string_view>()(path);
    record.path = path;
    table().apply(record);
  }
  void exit(std::uint32_t pid, std::uint32_t tid) {
    table().apply(ExitRecord{now_ns_, pid, tid, 1});
  }
  void exit(std::uint32_t pid) { exit(pid, pid); }
  void lose() { table().apply(LostRecord{now_ns_, 3, 0}); }

  // The id of a process that started with a fork at that time.
  static process_id id(std::uint32_t pid, std::uint64_t fork_ns, std::uint32_t exec_id) {
    return {pid, exec_id, fork_ns + kOffset - 1000};
  }
  std::string find(const process_id& id, std::uint64_t time_ns, std::uint64_t address) {
    const FoundMapping found = table().find_mapping(id, time_ns, address);
    switch (found.state) {
      case LookupState::unknown_process:
        return "unknown process";
      case LookupState::unknown_mapping:
        return "unknown mapping";
      case LookupState::found:
        return fmt::format("{}+{:x}", found.file->path, address - found.start + found.file_offset);
    }
    return "";
  }
  std::string name(const process_id& id, std::uint64_t time_ns) {
    return std::string(table().find_exec_name(id, time_ns).value_or("?"));
  }
  static std::string maps_line(std::uint64_t start, std::uint64_t end, std::string_view path) {
    return fmt::format("{:x}-{:x} r-xp 00000000 08:01 {} {}\n", start, end,
                       std::hash<std::string_view>()(path), path);
  }
  // A process older than the stream: a shell that forks.
  void put_shell() {
    proc_.put({.pid = 100,
               .comm = "sh",
               .start_ticks = 7,
               .maps = maps_line(0x400000, 0x500000, "/bin/sh")});
    ASSERT_TRUE(table().scan());
  }

  FakeProc proc_;
  ProcessTableLimits limits_;
  std::uint64_t now_ns_ = 100 * kSecond;
  std::unique_ptr<ProcessTable> table_;
};

constexpr process_id kShell{100, 3, 7 * kTickNs + 123};

TEST_F(ProcessTableTest, an_exec_starts_with_nothing_mapped) {
  put_shell();
  fork(100, 200);
  at(101 * kSecond);
  exec(200, "ls");
  map(200, 0x1000, 0x1000, "/bin/ls");
  const process_id ls = id(200, 100 * kSecond, 4);
  at(102 * kSecond);
  EXPECT_EQ(find(ls, 102 * kSecond, 0x1800), "/bin/ls+800");
  EXPECT_EQ(find(ls, 102 * kSecond, 0x400000), "unknown mapping");
  EXPECT_EQ(name(ls, 102 * kSecond), "ls");
}

TEST_F(ProcessTableTest, a_forked_child_has_its_parents_mappings_and_name) {
  put_shell();
  fork(100, 200);
  const process_id child = id(200, 100 * kSecond, 3);
  EXPECT_EQ(name(child, 101 * kSecond), "sh");
  exit(200);  // the parent's entry in /proc shows what both share
  EXPECT_EQ(find(child, 100 * kSecond, 0x400010), "/bin/sh+10");
  EXPECT_EQ(table().counters().maps_reads, 1U);
}

TEST_F(ProcessTableTest, what_a_child_maps_is_its_own) {
  put_shell();
  fork(100, 200);
  ASSERT_EQ(find(kShell, 100 * kSecond, 0x400010), "/bin/sh+10");
  map(200, 0x400000, 0x1000, "/child");
  map(100, 0x401000, 0x1000, "/parent");
  const process_id child = id(200, 100 * kSecond, 3);
  at(101 * kSecond);
  EXPECT_EQ(find(child, 101 * kSecond, 0x400000), "/child+0");
  EXPECT_EQ(find(child, 101 * kSecond, 0x401000), "/bin/sh+1000");
  EXPECT_EQ(find(kShell, 101 * kSecond, 0x400000), "/bin/sh+0");
  EXPECT_EQ(find(kShell, 101 * kSecond, 0x401000), "/parent+0");
}

TEST_F(ProcessTableTest, a_late_sample_of_an_old_image_gets_the_old_mappings) {
  put_shell();
  fork(100, 200);
  at(101 * kSecond);
  exec(200, "one");
  map(200, 0x1000, 0x1000, "/one");
  at(102 * kSecond);
  exec(200, "two");
  map(200, 0x1000, 0x1000, "/two");
  const process_id one = id(200, 100 * kSecond, 4);
  const process_id two = id(200, 100 * kSecond, 5);
  EXPECT_EQ(find(one, 101'500 * kMs, 0x1000), "/one+0");
  EXPECT_EQ(find(two, 102'500 * kMs, 0x1000), "/two+0");
  EXPECT_EQ(name(one, 101'500 * kMs), "one");
  // The exec id decides, not the time.
  EXPECT_EQ(find(one, 102'500 * kMs, 0x1000), "/one+0");
  EXPECT_EQ(name(two, 101'500 * kMs), "two");
}

TEST_F(ProcessTableTest, an_exec_that_is_not_known_yet_gets_no_mappings_of_the_old_image) {
  put_shell();
  ASSERT_EQ(find(kShell, 100 * kSecond, 0x400000), "/bin/sh+0");
  process_id after_exec = kShell;
  ++after_exec.exec_id;
  EXPECT_EQ(find(after_exec, 101 * kSecond, 0x400000), "unknown process");
  EXPECT_EQ(name(after_exec, 101 * kSecond), "?");
}

TEST_F(ProcessTableTest, a_sample_at_the_moment_of_an_exec_teaches_no_exec_id) {
  put_shell();
  fork(100, 200);
  at(101 * kSecond);
  exec(200, "ls");
  map(200, 0x1000, 0x1000, "/bin/ls");
  // Still the old exec id: the kernel raises it microseconds after it tells of the exec.
  (void)find(id(200, 100 * kSecond, 3), 101 * kSecond + 2000, 0x1000);
  EXPECT_EQ(find(id(200, 100 * kSecond, 4), 102 * kSecond, 0x1000), "/bin/ls+0");
}

TEST_F(ProcessTableTest, a_reused_pid_keeps_both_apart) {
  put_shell();
  fork(100, 200);
  exec(200, "first");
  map(200, 0x1000, 0x1000, "/first");
  at(103 * kSecond);
  exit(200);
  at(104 * kSecond);
  fork(100, 200);
  exec(200, "second");
  map(200, 0x1000, 0x1000, "/second");
  const process_id first = id(200, 100 * kSecond, 4);
  const process_id second = id(200, 104 * kSecond, 4);
  EXPECT_EQ(find(first, 102 * kSecond, 0x1000), "/first+0");
  EXPECT_EQ(find(second, 105 * kSecond, 0x1000), "/second+0");
  EXPECT_EQ(name(first, 102 * kSecond), "first");
  EXPECT_EQ(name(second, 105 * kSecond), "second");
  // Neither: a third whose fork was lost.
  EXPECT_EQ(find(id(200, 109 * kSecond, 4), 110 * kSecond, 0x1000), "unknown process");
}

TEST_F(ProcessTableTest, a_pid_reused_within_milliseconds_keeps_both_apart) {
  put_shell();
  fork(100, 200);
  exec(200, "first");
  map(200, 0x1000, 0x1000, "/first");
  at(100 * kSecond + 20 * kMs);
  exit(200);
  fork(100, 200);
  exec(200, "second");
  map(200, 0x1000, 0x1000, "/second");
  const process_id first = id(200, 100 * kSecond, 4);
  const process_id second = id(200, 100 * kSecond + 20 * kMs, 4);
  EXPECT_EQ(find(first, 100 * kSecond + 10 * kMs, 0x1000), "/first+0");
  EXPECT_EQ(find(second, 100 * kSecond + 30 * kMs, 0x1000), "/second+0");
}

TEST_F(ProcessTableTest, a_pid_and_a_time_find_the_instance) {
  put_shell();
  EXPECT_EQ(table().find_instance(200, 100 * kSecond), std::nullopt);
  fork(100, 200);
  at(101 * kSecond);
  exec(200, "first");
  map(200, 0x1000, 0x1000, "/bin/first");
  at(102 * kSecond);
  exec(200, "second");
  map(200, 0x1000, 0x1000, "/bin/second");
  at(103 * kSecond);
  exit(200);
  at(104 * kSecond);
  fork(100, 200);
  at(105 * kSecond);
  exec(200, "third");
  const auto name_at = [this](std::uint64_t time_ns) {
    const auto found = table().find_instance(200, time_ns);
    return found ? name(*found, time_ns) : "none";
  };
  EXPECT_EQ(name_at(100 * kSecond + kMs), "sh");
  EXPECT_EQ(name_at(101 * kSecond + kMs), "first");
  EXPECT_EQ(name_at(102 * kSecond + kMs), "second");
  EXPECT_EQ(name_at(104 * kSecond + kMs), "sh");
  EXPECT_EQ(name_at(105 * kSecond + kMs), "third");
  EXPECT_EQ(name_at(101 * kSecond + 2 * kMs), "first") << "also after later ones were asked for";
  const auto second = table().find_instance(200, 102 * kSecond + kMs);
  ASSERT_TRUE(second);
  EXPECT_EQ(find(*second, 102 * kSecond + kMs, 0x1800), "/bin/second+800");
  const auto shell = table().find_instance(100, 105 * kSecond);
  ASSERT_TRUE(shell);
  EXPECT_EQ(find(*shell, 105 * kSecond, 0x400010), "/bin/sh+10");
}

TEST_F(ProcessTableTest, a_file_and_an_offset_find_the_mapping) {
  put_shell();
  fork(100, 200);
  at(101 * kSecond);
  exec(200, "ls");
  map(200, 0x1000, 0x1000, "/bin/ls");
  map(200, 0x7000, 0x2000, "/lib/c.so");
  at(102 * kSecond);
  exit(200);
  const process_id ls = id(200, 100 * kSecond, 4);
  const auto start_of = [&](std::string_view path, std::uint64_t offset) {
    const FoundMapping found = table().find_file_mapping(ls, 101 * kSecond + kMs, path, offset);
    return found.state == LookupState::found ? found.start : 0;
  };
  EXPECT_EQ(start_of("/bin/ls", 0x800), 0x1000U);
  EXPECT_EQ(start_of("/lib/c.so", 0x1fff), 0x7000U);
  EXPECT_EQ(start_of("/lib/c.so", 0x2000), 0U);
  EXPECT_EQ(start_of("/bin/sh", 0x10), 0U) << "the image before had that";
  EXPECT_EQ(table().find_file_mapping({999, 0, 0}, 101 * kSecond, "/bin/ls", 0).state,
            LookupState::unknown_process);
}

TEST_F(ProcessTableTest, a_process_lives_until_its_last_thread_is_gone) {
  put_shell();
  fork(100, 200);
  exec(200, "pool");
  map(200, 0x1000, 0x1000, "/pool");
  thread(200, 201);
  exit(200);  // the leader
  at(101 * kSecond);
  map(200, 0x5000, 0x1000, "/plugin");
  const process_id pool = id(200, 100 * kSecond, 4);
  EXPECT_EQ(find(pool, 102 * kSecond, 0x5000), "/plugin+0");
  EXPECT_TRUE(table().find_live(pool, 102 * kSecond));
  exit(200, 201);
  EXPECT_FALSE(table().find_live(pool, 102 * kSecond));
}

TEST_F(ProcessTableTest, an_exec_by_another_thread_than_the_leader_is_no_exit) {
  put_shell();
  fork(100, 200);
  thread(200, 201);
  exit(200);  // the kernel ends the leader, and 201 becomes 200
  exec(200, "next");
  map(200, 0x1000, 0x1000, "/next");
  EXPECT_EQ(find(id(200, 100 * kSecond, 4), 101 * kSecond, 0x1000), "/next+0");
  exit(200);
  EXPECT_FALSE(table().find_live(id(200, 100 * kSecond, 4), 101 * kSecond));
}

TEST_F(ProcessTableTest, a_process_older_than_the_stream_may_lose_its_leader) {
  proc_.put({.pid = 300, .comm = "old", .start_ticks = 9, .maps = "", .thread_count = 3});
  ASSERT_TRUE(table().scan());
  exit(300);
  const process_id old{300, 1, 9 * kTickNs};
  EXPECT_EQ(name(old, now_ns_), "old");
  proc_.put({.pid = 300, .comm = "old", .start_ticks = 9, .maps = "", .thread_count = 1});
  exit(300, 301);  // the last one
  proc_.remove(300);
  at(300 * kSecond);
  table().advance();
  EXPECT_EQ(name(old, 100 * kSecond), "?");
}

TEST_F(ProcessTableTest, reads_maps_only_when_a_sample_needs_them) {
  put_shell();
  fork(100, 200);
  exec(200, "ls");
  EXPECT_EQ(table().counters().maps_reads, 0U);
  (void)find(kShell, now_ns_, 0x400000);
  (void)find(kShell, now_ns_, 0x400001);
  EXPECT_EQ(table().counters().maps_reads, 1U);
}

TEST_F(ProcessTableTest, mappings_are_read_before_a_sample_when_asked_for_and_once) {
  limits_.reads_per_second = 0;
  put_shell();
  EXPECT_FALSE(table().find_live(kShell, 100 * kSecond));
  const auto view = table().load_live(kShell, 100 * kSecond);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->mappings.size(), 1U);
  EXPECT_TRUE(table().load_live(kShell, 100 * kSecond));
  EXPECT_EQ(table().counters().maps_reads, 1U);
  EXPECT_FALSE(table().load_live({100, 3, 7 * kSecond}, 100 * kSecond));  // of an earlier owner
}

TEST_F(ProcessTableTest, an_unknown_address_asks_proc_again_but_seldom) {
  put_shell();
  ASSERT_EQ(find(kShell, now_ns_, 0x400000), "/bin/sh+0");
  proc_.put({.pid = 100,
             .comm = "sh",
             .start_ticks = 7,
             .maps = maps_line(0x900000, 0xa00000, "/bin/sh")});  // mremap moved it
  EXPECT_EQ(find(kShell, now_ns_, 0x900000), "unknown mapping");  // asked a moment ago
  at(102 * kSecond);
  EXPECT_EQ(find(kShell, 101 * kSecond, 0x900000), "/bin/sh+0");
  for (int i = 0; i < 1000; ++i) {
    at(now_ns_ + 100 * kMs);
    (void)find(kShell, now_ns_, 0x123456);
  }
  EXPECT_LE(table().counters().maps_reads, 10U);  // 100 s of pauses that double up to 32 s
}

TEST_F(ProcessTableTest, maps_read_after_an_exec_are_not_given_to_the_old_image) {
  put_shell();
  at(102 * kSecond);
  ASSERT_EQ(find(kShell, 100 * kSecond, 0x400000), "/bin/sh+0");  // read now: of which program?
  table().apply(ExecRecord{101 * kSecond, 100, 100, "next"});
  EXPECT_EQ(find(kShell, 100 * kSecond, 0x400000), "unknown mapping");
}

TEST_F(ProcessTableTest, the_scan_and_an_older_fork_record_are_one_process) {
  proc_.put({.pid = 200,
             .comm = "ls",
             .start_ticks = (99 * kSecond + kOffset) / kTickNs,
             .maps = maps_line(0x1000, 0x2000, "/bin/ls")});
  ASSERT_TRUE(table().scan());
  table().apply(ForkRecord{99 * kSecond + 1000, 200, 200, 1, 1});
  EXPECT_EQ(table().process_count(), 1U);
  EXPECT_EQ(find(id(200, 99 * kSecond + 1000, 4), now_ns_, 0x1000), "/bin/ls+0");
}

TEST_F(ProcessTableTest, the_scan_and_records_of_an_earlier_owner_of_the_pid_are_two) {
  proc_.put({.pid = 200,
             .comm = "new",
             .start_ticks = (99 * kSecond + kOffset) / kTickNs,
             .maps = maps_line(0x1000, 0x2000, "/bin/new")});
  ASSERT_TRUE(table().scan());
  table().apply(ExecRecord{50 * kSecond, 200, 200, "old"});
  table().apply(ExitRecord{51 * kSecond, 200, 200, 1});
  const process_id current{200, 4, 99 * kSecond + kOffset + 5};
  EXPECT_EQ(name(current, now_ns_), "new");
  EXPECT_EQ(find(current, now_ns_, 0x1000), "/bin/new+0");
}

TEST_F(ProcessTableTest, a_process_nobody_told_of_is_looked_up_by_its_exact_start) {
  ASSERT_TRUE(table().scan());
  proc_.put(
      {.pid = 400, .comm = "lost", .start_ticks = 55, .maps = maps_line(0x1000, 0x2000, "/lost")});
  EXPECT_EQ(find({400, 1, 56 * kTickNs}, now_ns_, 0x1000), "unknown process");
  EXPECT_EQ(find({400, 1, 55 * kTickNs + 4}, now_ns_, 0x1000), "/lost+0");
  EXPECT_EQ(find({400, 1, 55 * kTickNs + 3}, now_ns_, 0x1000), "unknown process");
}

TEST_F(ProcessTableTest, after_a_loss_proc_decides) {
  put_shell();
  fork(100, 200);
  exec(200, "ls");
  map(200, 0x1000, 0x1000, "/bin/ls");
  at(101 * kSecond);
  lose();
  const std::uint64_t start = (100 * kSecond + kOffset) / kTickNs - 1;
  proc_.put({.pid = 200,
             .comm = "ls",
             .start_ticks = start,
             .maps = maps_line(0x1000, 0x2000, "/bin/ls") + maps_line(0x5000, 0x6000, "/new")});
  at(102 * kSecond);
  const process_id ls = id(200, 100 * kSecond, 4);
  EXPECT_EQ(find(ls, 102 * kSecond, 0x5000), "/new+0");
  EXPECT_EQ(find(ls, 102 * kSecond, 0x1000), "/bin/ls+0");
  EXPECT_EQ(table().counters().maps_reads, 1U);
  EXPECT_EQ(table().counters().lost_records, 3U);
}

TEST_F(ProcessTableTest, after_a_loss_an_exec_that_was_lost_is_found) {
  put_shell();
  fork(100, 200);
  exec(200, "ls");
  map(200, 0x1000, 0x1000, "/bin/ls");
  const process_id ls = id(200, 100 * kSecond, 4);
  ASSERT_EQ(find(ls, now_ns_ + kSecond / 2, 0x1000), "/bin/ls+0");
  at(101 * kSecond);
  lose();
  proc_.put({.pid = 200,
             .comm = "cat",
             .start_ticks = (100 * kSecond + kOffset) / kTickNs - 1,
             .maps = maps_line(0x7000, 0x8000, "/bin/cat")});
  at(102 * kSecond);
  const process_id cat = id(200, 100 * kSecond, 6);  // two execs
  EXPECT_EQ(find(cat, 102 * kSecond, 0x7000), "/bin/cat+0");
  EXPECT_EQ(name(cat, 102 * kSecond), "cat");
  EXPECT_NE(find(ls, 100 * kSecond, 0x1000), "/bin/cat+1000");
}

TEST_F(ProcessTableTest, after_a_loss_an_exec_right_after_the_fork_is_found) {
  put_shell();
  fork(100, 200);  // nothing of either is known to be mapped
  at(101 * kSecond);
  lose();
  proc_.put({.pid = 200,
             .comm = "cat",
             .start_ticks = (100 * kSecond + kOffset) / kTickNs - 1,
             .maps = maps_line(0x7000, 0x8000, "/bin/cat")});
  at(102 * kSecond);
  const process_id cat = id(200, 100 * kSecond, 4);
  EXPECT_EQ(name(cat, 102 * kSecond), "cat");
  EXPECT_EQ(find(cat, 102 * kSecond, 0x7000), "/bin/cat+0");
}

TEST_F(ProcessTableTest, after_a_loss_what_is_gone_is_not_guessed) {
  put_shell();
  fork(100, 200);
  exec(200, "ls");
  map(200, 0x1000, 0x1000, "/bin/ls");
  at(101 * kSecond);
  lose();
  at(102 * kSecond);
  EXPECT_EQ(find(id(200, 100 * kSecond, 4), 102 * kSecond, 0x1000), "unknown mapping");
}

TEST_F(ProcessTableTest, after_a_loss_lost_exits_and_forks_are_found) {
  put_shell();
  fork(100, 200);
  fork(100, 201);
  at(101 * kSecond);
  lose();
  proc_.put({.pid = 201,
             .comm = "sh",
             .start_ticks = (100 * kSecond + kOffset) / kTickNs - 1,
             .maps = ""});
  proc_.put({.pid = 500, .comm = "new", .start_ticks = 600000, .maps = ""});
  at(103 * kSecond);
  table().advance();
  EXPECT_FALSE(table().find_live(id(200, 100 * kSecond, 3), 103 * kSecond));
  EXPECT_EQ(name({500, 1, 600000 * kTickNs}, 103 * kSecond), "new");
  EXPECT_EQ(table().process_count(), 4U);
}

TEST_F(ProcessTableTest, a_process_whose_exit_was_lost_is_gone_once_proc_was_asked) {
  put_shell();
  EXPECT_FALSE(table().is_gone(kShell));
  proc_.remove(100);
  at(101 * kSecond);
  lose();
  EXPECT_FALSE(table().is_gone(kShell));
  at(103 * kSecond);
  table().advance();
  EXPECT_TRUE(table().is_gone(kShell));
}

TEST_F(ProcessTableTest, a_process_is_gone_when_its_pid_is_used_again) {
  put_shell();
  fork(100, 200);
  const process_id first = id(200, 100 * kSecond, 3);
  EXPECT_FALSE(table().is_gone(first));
  at(101 * kSecond);
  exit(200);
  EXPECT_TRUE(table().is_gone(first));
  at(103 * kSecond);
  fork(100, 200);
  EXPECT_TRUE(table().is_gone(first));
  EXPECT_FALSE(table().is_gone(id(200, 103 * kSecond, 3)));
}

TEST_F(ProcessTableTest, a_kernel_thread_has_its_present_name_and_no_mappings) {
  proc_.put({.pid = 2, .comm = "kthreadd", .start_ticks = 0, .maps = "", .flags = 0x208040});
  ASSERT_TRUE(table().scan());
  fork(2, 90);
  table().apply(CommRecord{now_ns_, 90, 90, "kworker/0:1"});
  const process_id worker = id(90, 100 * kSecond, 0);
  EXPECT_EQ(name(worker, 101 * kSecond), "kworker/0:1");
  EXPECT_EQ(find(worker, 101 * kSecond, 0x1000), "unknown mapping");
  EXPECT_EQ(table().counters().maps_reads, 0U);
}

TEST_F(ProcessTableTest, a_rename_does_not_change_the_exec_name) {
  put_shell();
  fork(100, 200);
  exec(200, "java");
  table().apply(CommRecord{now_ns_, 200, 200, "main"});
  EXPECT_EQ(name(id(200, 100 * kSecond, 4), 101 * kSecond), "java");
}

TEST_F(ProcessTableTest, gone_processes_resolve_within_their_grace_and_are_forgotten_after) {
  limits_.name_grace_ns = 2 * limits_.mapping_grace_ns;
  put_shell();
  fork(100, 200);
  exec(200, "ls");
  map(200, 0x1000, 0x1000, "/bin/ls");
  exit(200);
  const process_id ls = id(200, 100 * kSecond, 4);
  at(100 * kSecond + limits_.mapping_grace_ns - 1);
  table().advance();
  EXPECT_EQ(find(ls, 100 * kSecond, 0x1000), "/bin/ls+0");
  at(100 * kSecond + limits_.mapping_grace_ns);
  table().advance();
  EXPECT_EQ(find(ls, 100 * kSecond, 0x1000), "unknown mapping");
  EXPECT_EQ(name(ls, 100 * kSecond), "ls");
  at(100 * kSecond + limits_.name_grace_ns);
  table().advance();
  EXPECT_EQ(name(ls, 100 * kSecond), "?");
  EXPECT_EQ(table().process_count(), 1U);
}

TEST_F(ProcessTableTest, a_storm_of_processes_stays_within_the_budget) {
  limits_.budget_bytes = 1 << 20;
  put_shell();
  std::size_t peak = 0;
  for (std::uint32_t i = 0; i < 50'000; ++i) {
    const std::uint32_t pid = 1000 + i % 20'000;
    at(now_ns_ + kMs);
    fork(100, pid);
    exec(pid, "short");
    map(pid, 0x1000, 0x1000, "/bin/short");
    map(pid, 0x7000, 0x1000, "/tmp/" + std::to_string(i));
    exit(pid);
    peak = std::max(peak, table().size_bytes());
  }
  EXPECT_LT(peak, limits_.budget_bytes + 4096);
  EXPECT_GT(table().counters().forgotten_processes, 40'000U);
  EXPECT_EQ(name(kShell, now_ns_), "sh");  // the living stay
  at(now_ns_ + limits_.name_grace_ns);
  table().advance();
  EXPECT_EQ(table().process_count(), 1U);
}

TEST_F(ProcessTableTest, live_processes_beyond_the_budget_give_up_mappings_that_proc_has) {
  limits_.budget_bytes = std::size_t{256} * 1024;
  put_shell();
  const std::uint64_t start = (100 * kSecond + kOffset) / kTickNs - 1;
  for (std::uint32_t pid = 1000; pid < 1400; ++pid) {
    fork(100, pid);
    exec(pid, "big");
    for (std::uint64_t i = 1; i < 30; ++i) {
      map(pid, i * 0x10000, 0x1000, "/lib/" + std::to_string(i));
    }
    at(now_ns_ + 10 * kMs);
  }
  EXPECT_GT(table().counters().unloaded_processes, 0U);
  EXPECT_EQ(table().process_count(), 401U);
  proc_.put({.pid = 1399,
             .comm = "big",
             .start_ticks = start + 399,
             .maps = maps_line(0x10000, 0x11000, "/lib/1")});
  EXPECT_EQ(find(id(1399, 100 * kSecond + 3990 * kMs, 4), now_ns_, 0x10000), "/lib/1+0");
}

TEST_F(ProcessTableTest, samples_of_unknown_pids_cannot_make_us_read_without_end) {
  for (std::uint32_t pid = 1; pid < 100'000; ++pid) {
    (void)find({pid, 1, 1}, now_ns_, 0x1000);
  }
  EXPECT_EQ(table().counters().stat_reads, limits_.reads_per_second);
}

std::string docker(char digit) {
  return "4:memory:/docker/" + std::string(64, digit) + "\n0::/\n";
}

TEST_F(ProcessTableTest, a_container_is_read_once_and_kept_when_the_process_is_gone) {
  put_shell();
  proc_.put_file(100, "cgroup", docker('a'));
  EXPECT_EQ(*table().find_container(kShell, now_ns_), std::string(64, 'a'));
  proc_.put_file(100, "cgroup", docker('b'));
  exit(100);
  proc_.remove(100);
  EXPECT_EQ(*table().find_container(kShell, now_ns_), std::string(64, 'a'));
  EXPECT_EQ(table().counters().cgroup_reads, 1U);
}

TEST_F(ProcessTableTest, a_container_is_read_again_for_another_program) {
  put_shell();
  proc_.put_file(100, "cgroup", "0::/\n");
  EXPECT_EQ(*table().find_container(kShell, now_ns_), "");
  at(101 * kSecond);
  exec(100, "app");
  proc_.put_file(100, "cgroup", docker('a'));
  const process_id app{100, 4, kShell.start_boottime_ns};
  at(102 * kSecond);
  EXPECT_EQ(*table().find_container(kShell, 100 * kSecond), "");
  EXPECT_EQ(*table().find_container(app, 102 * kSecond), std::string(64, 'a'));
}

TEST_F(ProcessTableTest, a_child_that_is_gone_was_where_its_parent_is) {
  put_shell();
  proc_.put_file(100, "cgroup", docker('a'));
  fork(100, 200);
  at(101 * kSecond);
  exec(200, "ls");
  at(102 * kSecond);
  exit(200);
  const process_id ls = id(200, 100 * kSecond, 4);
  EXPECT_EQ(*table().find_container(ls, 102 * kSecond), std::string(64, 'a'));
}

TEST_F(ProcessTableTest, a_pid_that_is_used_again_says_nothing) {
  put_shell();
  proc_.put_file(100, "cgroup", docker('a'));
  fork(100, 200);
  proc_.put({.pid = 200, .comm = "sh", .start_ticks = 1, .maps = ""});
  proc_.put_file(200, "cgroup", docker('b'));
  const process_id child = id(200, 100 * kSecond, 3);
  EXPECT_EQ(*table().find_container(child, 100 * kSecond), std::string(64, 'a'));
}

TEST_F(ProcessTableTest, containers_are_told_once) {
  put_shell();
  proc_.put_file(100, "cgroup", docker('a'));
  table().read_containers();
  const auto told = table().take_new_containers();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(*told.front(), std::string(64, 'a'));
  (void)table().find_container(kShell, now_ns_);
  EXPECT_TRUE(table().take_new_containers().empty());
}

}  // namespace
}  // namespace waggle
