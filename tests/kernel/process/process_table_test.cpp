// SPDX-License-Identifier: Apache-2.0
// The process table fed by the real stream and the real /proc.
#include "userspace/process/process_table.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <optional>
#include <string>

#include "tests/kernel/kernel_test.h"
#include "userspace/attach/process_stream.h"

namespace waggle {
namespace {

using testing::EndsWith;

// A child that waits at a gate and goes on when the test opens it.
class Gate {
 public:
  Gate() { CHECK(::pipe2(fds_.data(), O_CLOEXEC) == 0); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    ::close(fds_[0]);
    ::close(fds_[1]);
  }
  void pass() {
    char byte = 0;
    CHECK(::read(fds_[0], &byte, 1) == 1);
  }
  void open() { CHECK(::write(fds_[1], "x", 1) == 1); }

 private:
  std::array<int, 2> fds_{};
};

// Kills a child and waits for it, at the latest when the test is over.
class ChildEnd {
 public:
  explicit ChildEnd(pid_t child) : child_(child) {}
  ChildEnd(const ChildEnd&) = delete;
  ChildEnd& operator=(const ChildEnd&) = delete;
  ~ChildEnd() { now(); }
  void now() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      CHECK(::waitpid(child_, nullptr, 0) == child_);
      child_ = 0;
    }
  }

 private:
  pid_t child_;
};

class LiveProcessTableTest : public testing::Test {
 protected:
  void SetUp() override {
    auto stream = ProcessStream::open();
    WAGGLE_SKIP_WITHOUT_PRIVILEGE(stream);
    ASSERT_TRUE(stream) << stream.error().what;
    stream_.emplace(*std::move(stream));
    ASSERT_TRUE(table_.scan());
  }

  static std::uint64_t now_ns() { return TableClock::now().monotonic_ns; }

  void drain() {
    stream_->drain([&](const ProcessRecord& record) { table_.apply(record); });
  }

  // What a sampler would say of a process now.  /proc has its start to the tick only: the beginning
  // of that tick is never after the fork, as the middle of it can be.
  static process_id id_of(pid_t pid, std::uint32_t exec_id) {
    const auto stat = ProcFs().read_stat(static_cast<std::uint32_t>(pid));
    CHECK(stat);
    return {static_cast<std::uint32_t>(pid), exec_id, stat->start_ticks * kTickNs};
  }

  FoundMapping find(const process_id& id, const void* address) {
    drain();
    return table_.find_mapping(id, now_ns(), reinterpret_cast<std::uint64_t>(address));
  }
  std::string path(const process_id& id, const void* address) {
    const FoundMapping found = find(id, address);
    return found.state == LookupState::found ? found.file->path : "-";
  }

  std::optional<ProcessStream> stream_;
  ProcessTable table_{ProcFs()};
};

TEST_F(LiveProcessTableTest, knows_ourselves_from_before) {
  const process_id self = id_of(::getpid(), 1);
  EXPECT_THAT(path(self, reinterpret_cast<void*>(&parse_maps)), EndsWith("kernel_process_test"));
  EXPECT_THAT(path(self, reinterpret_cast<void*>(&::getpid)), testing::HasSubstr("libc"));
  EXPECT_EQ(table_.find_exec_name(self, now_ns()), "kernel_process_");
  EXPECT_EQ(table_.counters().maps_reads, 1U);
}

TEST_F(LiveProcessTableTest, learns_of_dlopen_and_dlclose_at_the_same_address) {
  const process_id self = id_of(::getpid(), 1);
  ASSERT_NE(path(self, reinterpret_cast<void*>(&::getpid)), "-");
  const auto map_library = [](const char* file, void* at) {
    const int fd = ::open(file, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    void* where = ::mmap(at, 4096, PROT_READ | PROT_EXEC,
                         MAP_PRIVATE | (at == nullptr ? 0 : MAP_FIXED), fd, 0);
    CHECK(where != MAP_FAILED);
    ::close(fd);
    return where;
  };
  void* at = map_library("/bin/true", nullptr);
  EXPECT_THAT(path(self, at), EndsWith("/true"));
  const std::uint64_t before_ns = now_ns();
  CHECK(::munmap(at, 4096) == 0);
  CHECK(map_library("/bin/false", at) == at);
  EXPECT_THAT(path(self, at), EndsWith("/false"));
  const auto earlier = table_.find_mapping(self, before_ns, reinterpret_cast<std::uint64_t>(at));
  ASSERT_EQ(earlier.state, LookupState::found);
  EXPECT_THAT(earlier.file->path, EndsWith("/true"));
  CHECK(::munmap(at, 4096) == 0);
  EXPECT_EQ(table_.counters().maps_reads, 1U);  // the stream told it all
}

TEST_F(LiveProcessTableTest, learns_of_a_real_dlopen) {
  const process_id self = id_of(::getpid(), 1);
  ASSERT_NE(path(self, reinterpret_cast<void*>(&::getpid)), "-");
  void* library = ::dlopen("libz.so.1", RTLD_NOW);
  if (library == nullptr) {
    GTEST_SKIP() << "no libz.so.1 here";
  }
  EXPECT_THAT(path(self, ::dlsym(library, "inflate")), testing::HasSubstr("libz.so"));
  ::dlclose(library);
}

TEST_F(LiveProcessTableTest, finds_what_mremap_moved) {
  const process_id self = id_of(::getpid(), 1);
  ASSERT_NE(path(self, reinterpret_cast<void*>(&::getpid)), "-");
  const int fd = ::open("/bin/true", O_RDONLY | O_CLOEXEC);
  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  void* to = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(::mremap(at, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
  ::close(fd);
  std::string found = path(self, to);
  for (int i = 0; i < 30 && found == "-"; ++i) {  // the first read was a moment ago
    ::usleep(100'000);
    found = path(self, to);
  }
  EXPECT_THAT(found, EndsWith("/true"));
  CHECK(::munmap(to, 4096) == 0);
}

TEST_F(LiveProcessTableTest, follows_fork_and_exec) {
  Gate forked;
  const pid_t child = ::fork();
  if (child == 0) {
    forked.pass();
    ::execl("/bin/sleep", "sleep", "60", nullptr);
    ::_exit(1);
  }
  ChildEnd child_end(child);
  const process_id before = id_of(child, 1);
  EXPECT_THAT(path(before, reinterpret_cast<void*>(&parse_maps)), EndsWith("kernel_process_test"));
  EXPECT_EQ(table_.find_exec_name(before, now_ns()), "kernel_process_");
  forked.open();
  const process_id after{before.tgid, 2, before.start_boottime_ns};
  std::optional<InstanceView> view;
  for (int i = 0; i < 500 && (!view || view->mappings.size() < 4); ++i) {
    ::usleep(10'000);
    drain();
    view = table_.find_live(after, now_ns());
  }
  ASSERT_TRUE(view);
  EXPECT_EQ(view->exec_name, "sleep");
  EXPECT_THAT(view->mappings.front().file->path, testing::AnyOf(EndsWith("/sleep"), "[vdso]"));
  EXPECT_EQ(path(after, reinterpret_cast<void*>(&parse_maps)), "-");
  // What the stream told is what /proc says.
  std::size_t agreed = 0;
  ASSERT_TRUE(ProcFs().read_code(after.tgid, [&](const MapsEntry& entry) {
    const FoundMapping found = table_.find_mapping(after, now_ns(), entry.start);
    agreed += found.state == LookupState::found && found.start == entry.start &&
              found.end == entry.end && found.file->path == entry.path;
  }));
  EXPECT_GE(agreed, 4U);  // sleep, libc, ld.so, vdso; not vsyscall, which is nobody's
  child_end.now();
  drain();
  EXPECT_FALSE(table_.find_live(after, now_ns()));
  EXPECT_EQ(table_.find_exec_name(after, now_ns()), "sleep");  // a late sample
}

// clone3() with a chosen pid: the same one twice, at once.
TEST_F(LiveProcessTableTest, keeps_two_owners_of_one_pid_apart) {
  const auto run_as = [](pid_t pid, const char* program) {
    clone_args args{};
    args.exit_signal = SIGCHLD;
    args.set_tid = reinterpret_cast<std::uint64_t>(&pid);
    args.set_tid_size = 1;
    const long child = ::syscall(SYS_clone3, &args, sizeof(args));
    if (child == 0) {
      ::execl(program, program, nullptr);
      ::_exit(1);
    }
    if (child > 0) {
      CHECK(::waitpid(static_cast<pid_t>(child), nullptr, 0) == child);
    }
    return child;
  };
  const pid_t pid = run_child([] {});
  std::array<std::uint64_t, 3> times{};
  for (std::size_t i = 0; i < 2; ++i) {
    times[i] = now_ns();
    if (run_as(pid, i == 0 ? "/bin/true" : "/bin/false") < 0) {
      GTEST_SKIP() << "clone3 with a chosen pid needs CAP_CHECKPOINT_RESTORE";
    }
    ::usleep(20'000);
  }
  times[2] = now_ns();
  drain();
  const std::uint64_t offset_ns = TableClock::now().boottime_offset_ns;
  const std::uint32_t tgid = static_cast<std::uint32_t>(pid);
  // A few ms after each began: an exec takes one or two.
  const auto name = [&](std::size_t i, std::uint32_t exec_id) {
    const process_id id{tgid, exec_id, times[i] + offset_ns + 200'000};
    return std::string(table_.find_exec_name(id, times[i] + 15'000'000).value_or("?"));
  };
  EXPECT_EQ(name(0, 2), "true");
  EXPECT_EQ(name(1, 2), "false");
}

TEST_F(LiveProcessTableTest, a_thousand_forks_and_exits_leave_nothing) {
  ProcessTableLimits limits;
  limits.mapping_grace_ns = limits.name_grace_ns = 0;
  ProcessTable table(ProcFs(), limits);
  ASSERT_TRUE(table.scan());
  const auto apply = [&](const ProcessRecord& record) { table.apply(record); };
  const auto run = [&](int count) {
    for (int i = 0; i < count; ++i) {
      (void)run_child([] {});
      stream_->drain(apply);
      table.advance();
    }
    return table.size_bytes();
  };
  const std::size_t before = run(10);
  const std::size_t after = run(1000);
  // Others on the host start processes too, but not a thousand.
  EXPECT_LT(after, before + 100'000);
}

}  // namespace
}  // namespace waggle
