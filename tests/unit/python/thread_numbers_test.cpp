// SPDX-License-Identifier: Apache-2.0
// The threads of this process, told by its C library's own memory.
#include "userspace/runtimes/python/thread_numbers.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace waggle {
namespace {

using Numbers = std::map<std::uint64_t, std::uint32_t>;

// Threads that wait until the end of the test.
class Threads {
 public:
  explicit Threads(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      threads_.emplace_back([this] { wait(); });
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return numbers_.size() == count; });
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() {
    {
      const std::scoped_lock lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  [[nodiscard]] const Numbers& numbers() const { return numbers_; }

 private:
  void wait() {
    std::unique_lock lock(mutex_);
    numbers_[::pthread_self()] = static_cast<std::uint32_t>(::gettid());
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_over_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Numbers numbers_;
  bool is_over_ = false;
  std::vector<std::thread> threads_;
};

std::set<std::uint64_t> ids_of(const Numbers& numbers) {
  std::set<std::uint64_t> ids;
  for (const auto& [id, number] : numbers) {
    ids.insert(id);
  }
  return ids;
}

std::set<std::uint32_t> all_of(const Numbers& numbers) {
  std::set<std::uint32_t> all = {static_cast<std::uint32_t>(::gettid())};
  for (const auto& [id, number] : numbers) {
    all.insert(number);
  }
  return all;
}

TEST(ThreadNumbers, are_those_that_the_threads_have) {
  const ProcessMemory memory(::getpid());
  for (const std::size_t count : {1U, 2U, 50U}) {
    const Threads threads(count);
    EXPECT_EQ(find_thread_numbers(memory, ids_of(threads.numbers()), all_of(threads.numbers())),
              threads.numbers());
  }
}

TEST(ThreadNumbers, leave_out_what_is_no_thread) {
  const ProcessMemory memory(::getpid());
  const Threads threads(3);
  std::set<std::uint64_t> ids = ids_of(threads.numbers());
  const std::vector<std::uint64_t> other(1024);
  ids.insert(reinterpret_cast<std::uint64_t>(other.data()));  // memory
  ids.insert(8);                                              // none
  EXPECT_EQ(find_thread_numbers(memory, ids, all_of(threads.numbers())), threads.numbers());
  EXPECT_TRUE(find_thread_numbers(memory, {}, all_of(threads.numbers())).empty());
  EXPECT_TRUE(find_thread_numbers(memory, ids, {}).empty());
}

}  // namespace
}  // namespace waggle
