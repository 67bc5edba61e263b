// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/process_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <variant>
#include <vector>

#include "tests/kernel/kernel_test.h"
#include "userspace/attach/perf_event.h"

namespace waggle {
namespace {

using testing::EndsWith;

// The kinds of records of one process, in order: "fork exec map exit".
struct Story {
  std::string text;
  std::vector<std::string> paths;
  std::vector<std::uint64_t> times;
};

class ProcessStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    auto stream = ProcessStream::open();
    WAGGLE_SKIP_WITHOUT_PRIVILEGE(stream);
    ASSERT_TRUE(stream) << stream.error().what;
    stream_.emplace(*std::move(stream));
  }

  Story story_of(std::uint32_t pid) {
    Story story;
    stream_->drain([&](const ProcessRecord& record) {
      std::visit([&](const auto& known) { tell(story, pid, known); }, record);
    });
    return story;
  }

  static void tell(Story& story, std::uint32_t pid, const auto& record) {
    using T = std::decay_t<decltype(record)>;
    if constexpr (std::is_same_v<T, LostRecord>) {
      ADD_FAILURE() << "lost " << record.count;
    } else if (record.pid == pid) {
      story.times.push_back(record.time_ns);
      if constexpr (std::is_same_v<T, ForkRecord>) {
        story.text += record.is_thread() ? "thread " : "fork ";
      } else if constexpr (std::is_same_v<T, ExecRecord>) {
        story.text += "exec:" + std::string(record.comm) + " ";
      } else if constexpr (std::is_same_v<T, CommRecord>) {
        story.text += "comm:" + std::string(record.comm) + " ";
      } else if constexpr (std::is_same_v<T, MapRecord>) {
        EXPECT_NE(record.protection & PROT_EXEC, 0U);
        story.text += "map ";
        story.paths.emplace_back(record.path);
      } else {
        story.text += record.is_leader() ? "exit " : "thread-exit ";
      }
    }
  }

  std::optional<ProcessStream> stream_;
};

TEST_F(ProcessStreamTest, tells_fork_and_exit_of_a_child) {
  const pid_t child = run_child([] {});
  const Story story = story_of(static_cast<std::uint32_t>(child));
  EXPECT_EQ(story.text, "fork exit ");
  EXPECT_TRUE(std::ranges::is_sorted(story.times));
}

TEST_F(ProcessStreamTest, tells_exec_and_then_the_mappings_of_the_new_program) {
  const pid_t child = run_child([] { ::execl("/bin/true", "true", nullptr); });
  const Story story = story_of(static_cast<std::uint32_t>(child));
  EXPECT_THAT(story.text, testing::StartsWith("fork exec:true map map "));
  EXPECT_THAT(story.text, EndsWith("exit "));
  EXPECT_THAT(story.paths, testing::Contains(EndsWith("/true")));
  EXPECT_THAT(story.paths, testing::Contains("[vdso]"));
  EXPECT_TRUE(std::ranges::is_sorted(story.times));
}

TEST_F(ProcessStreamTest, tells_threads_from_processes_and_renames_from_execs) {
  const pid_t child =
      run_child([] { std::thread([] { ::prctl(PR_SET_NAME, "worker;1"); }).join(); });
  // A thread that was joined may tell of its exit later than its leader does.
  EXPECT_THAT(story_of(static_cast<std::uint32_t>(child)).text,
              testing::AnyOf("fork thread comm:worker;1 thread-exit exit ",
                             "fork thread comm:worker;1 exit thread-exit "));
}

TEST_F(ProcessStreamTest, tells_the_file_of_a_mapping_by_identity) {
  const std::string path = "/proc/self/exe";
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const pid_t child = run_child([fd] {
    void* at = ::mmap(nullptr, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 4096);
    ::_exit(at == MAP_FAILED ? 1 : 0);
  });
  ::close(fd);
  int count = 0;
  stream_->drain([&](const ProcessRecord& record) {
    const auto* map = std::get_if<MapRecord>(&record);
    if (map == nullptr || map->pid != static_cast<std::uint32_t>(child)) {
      return;
    }
    ++count;
    EXPECT_EQ(map->file_offset, 4096U);
    EXPECT_EQ(map->size_bytes, 8192U);
    EXPECT_EQ(map->flags & MAP_PRIVATE, static_cast<unsigned>(MAP_PRIVATE));
    EXPECT_THAT(map->path, EndsWith("kernel_attach_test"));
    // The kernel gives one of both; a build id it finds only if the page is in memory.
    EXPECT_EQ(map->inode, status.st_ino);
  });
  EXPECT_EQ(count, 1);
}

TEST_F(ProcessStreamTest, wakes_a_poller_at_the_first_record) {
  (void)story_of(0);
  std::vector<pollfd> polled;
  for (const int fd : stream_->fds()) {
    polled.push_back({fd, POLLIN, 0});
  }
  (void)::poll(polled.data(), polled.size(), 0);  // takes what is due from before
  (void)story_of(0);
  (void)run_child([] {});
  EXPECT_GT(::poll(polled.data(), polled.size(), 2000), 0);
}

TEST_F(ProcessStreamTest, reports_a_ring_that_overflowed) {
  auto small = ProcessStream::open({.ring_bytes = 4096});
  ASSERT_TRUE(small) << small.error().what;
  const auto run_many = [](int count) {
    for (int i = 0; i < count; ++i) {
      (void)run_child([] {});
    }
  };
  run_many(200);
  std::uint64_t lost = 0;
  const auto add_lost = [&](const ProcessRecord& record) {
    if (const auto* loss = std::get_if<LostRecord>(&record)) {
      lost += loss->count;
    }
  };
  small->drain(add_lost);
  // A loss is told with the next record of its ring: every CPU gets one.
  cpu_set_t all;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(all), &all), 0);
  const auto cpus = online_cpus();
  ASSERT_TRUE(cpus) << cpus.error().what;
  for (const int cpu : *cpus) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
    run_many(1);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof(all), &all), 0);
  small->drain(add_lost);
  EXPECT_GT(lost, 0U);
  EXPECT_EQ(small->malformed_count(), 0U);
}

TEST_F(ProcessStreamTest, refreshing_keeps_the_events_of_cpus_that_stay) {
  const std::vector<int> before = stream_->fds();
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(stream_->refresh_cpus([](const ProcessRecord& record) {
      EXPECT_FALSE(std::holds_alternative<LostRecord>(record));
    }));
    EXPECT_EQ(stream_->fds(), before);
  }
  const pid_t child = run_child([] {});
  EXPECT_EQ(story_of(static_cast<std::uint32_t>(child)).text, "fork exit ");
}

// 300 processes as fast as two CPUs can: nothing is lost, nobody's records are out of order.
TEST_F(ProcessStreamTest, keeps_the_order_of_each_process_over_all_cpus) {
  std::map<std::uint32_t, std::string> stories;
  const auto add = [&](const ProcessRecord& record) {
    EXPECT_FALSE(std::holds_alternative<LostRecord>(record));
    if (const auto* fork = std::get_if<ForkRecord>(&record)) {
      stories[fork->pid] += "f";
    } else if (const auto* exec = std::get_if<ExecRecord>(&record)) {
      stories[exec->pid] += "e";
    } else if (const auto* map = std::get_if<MapRecord>(&record)) {
      stories[map->pid] += "m";
    } else if (const auto* exit = std::get_if<ExitRecord>(&record)) {
      stories[exit->pid] += "x";
    }
  };
  std::vector<pid_t> children;
  for (int i = 0; i < 300; ++i) {
    children.push_back(run_child([] { ::execl("/bin/true", "true", nullptr); }));
    stream_->drain(add);
  }
  stream_->drain(add);
  for (const pid_t child : children) {
    EXPECT_THAT(stories[static_cast<std::uint32_t>(child)], testing::MatchesRegex("fem+x"));
  }
}

}  // namespace
}  // namespace waggle
