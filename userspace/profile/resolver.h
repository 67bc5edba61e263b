// SPDX-License-Identifier: Apache-2.0
// Gives located frames their names and adds the stacks to a profile, on a thread of its own:
// reading a symbol table takes up to seconds, and the main loop must not wait.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/cpu_pacer.h"
#include "base/result.h"
#include "symbolizer/kernel_symbols.h"
#include "symbolizer/module.h"
#include "symbolizer/module_cache.h"
#include "userspace/profile/located_batch.h"
#include "userspace/profile/perf_map_names.h"
#include "userspace/profile/profile.h"

namespace waggle {

// Names of located frames.  Single-threaded.
class FrameNamer {
 public:
  // Once `stop` is requested nothing more is read: frames whose names are not in memory show where
  // they are.
  explicit FrameNamer(std::size_t module_cache_bytes, std::stop_token stop = {});

  // From now on the file of a native function stands behind its name: "malloc (libc.so.6)".
  void show_files() { shows_files_ = true; }

  void forget_modules() { modules_.clear(); }

  // Reads the names of a file, so that it can be closed.
  void read(OpenedFile opened);

  // Adds every stack of the batch.  Another profile than before: see forget_names().
  void add(const LocatedBatch& batch, Profile& profile);

  // The next profile is another one.
  void forget_names() { names_.clear(); }
  // Functions that were left without their names since the last call, for want of time.
  std::uint64_t take_given_up() { return std::exchange(given_up_, 0); }

  // Why kernel frames have no names, if so.
  [[nodiscard]] const std::optional<Error>& kernel_problem() const { return kernel_problem_; }

 private:
  struct FrameKey {
    std::uint64_t space;  // source, company and file id
    std::uint64_t address;
    bool operator==(const FrameKey&) const = default;
  };
  struct FrameKeyHash {
    std::size_t operator()(const FrameKey& key) const;
  };

  // Whose native frames get a suffix: those of stacks with Python in them.
  enum class Company : std::uint8_t { native, python };

  Profile::NameId name_of(const LocatedFrame& frame, const LocatedBatch& batch, Company company,
                          Profile& profile);
  std::string text_of(const LocatedFrame& frame, const LocatedBatch& batch);
  std::string text_in_region(const Region& region, std::uint64_t address);
  std::string text_in_file(const LocatedFile& located, std::uint64_t offset);
  std::string text_in_kernel(std::uint64_t address);
  [[nodiscard]] std::string_view shown(std::string_view file) const {
    return shows_files_ ? file : "";
  }
  const KernelSymbols* kernel_symbols();

  std::stop_token stop_;
  bool shows_files_ = false;
  std::uint64_t given_up_ = 0;
  ModuleCache modules_;
  PerfMapNames perf_maps_;
  Result<Module> vdso_;
  std::optional<KernelSymbols> kernel_;
  std::optional<Error> kernel_problem_;
  std::unordered_map<FrameKey, Profile::NameId, FrameKeyHash> names_;
};

// Owner of the thread and, until finish(), of the profile.
class Resolver {
 public:
  // `pacer`, if there is one, outlives it.  Files that it does not let be read wait, and so do the
  // stacks behind them, while these are few.
  explicit Resolver(std::size_t module_cache_bytes, CpuPacer* pacer = nullptr);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // Reads the names of these files before all that is in the queue.  Does not wait.
  void read(std::vector<OpenedFile> files);

  // Waits while kMaxQueued batches are in the queue: memory stays bounded, and what the kernel side
  // cannot keep meanwhile it counts as lost.
  void push(LocatedBatch batch);
  // Never waits.  False: the queue is full, the batch is gone.
  [[nodiscard]] bool offer(LocatedBatch batch);

  struct Resolved {
    Profile profile;
    std::optional<Error> kernel_problem;
    std::uint64_t given_up = 0;  // functions without their names, for want of time
  };
  // What the batches so far have come to, once they are resolved; those from now on go into a new
  // profile.  Does not wait.  The future breaks when the resolver is destroyed before.
  std::future<Resolved> cut();
  // After all batches are resolved.  Once.
  Resolved finish();
  // On any thread: what is to be resolved is, soon, with the names that are in memory.
  void hurry();

  // CPU time that stacks have taken, without the reading of files.
  [[nodiscard]] std::chrono::nanoseconds naming_time() const { return naming_time_; }
  // On any thread: the names of all files are forgotten soon, and read again where they are wanted.
  void forget_modules() { forgets_modules_ = true; }
  // As the namer has it; before the first batch.
  void show_files() { namer_.show_files(); }

  // Frames that wait for their names.
  [[nodiscard]] std::size_t queued_frames() const;

 private:
  using Cut = std::promise<Resolved>;
  using Queued = std::variant<LocatedBatch, Cut>;
  using Work = std::variant<LocatedBatch, Cut, OpenedFile>;

  void run();
  [[nodiscard]] bool may_read() const;
  std::optional<Work> next_work();

  Resolved take_profile();

  CpuPacer* pacer_;
  std::stop_source stop_;
  std::atomic<bool> forgets_modules_ = false;
  std::atomic<std::chrono::nanoseconds> naming_time_{};
  FrameNamer namer_;  // the thread's alone until finish()
  Profile profile_;   // likewise
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Queued> queue_;       // guarded by mutex_
  std::size_t queued_frames_ = 0;  // guarded by mutex_
  std::deque<OpenedFile> unread_;  // guarded by mutex_; before the queue: each is open
  std::size_t ended_count_ = 0;    // guarded by mutex_; sessions in the queue
  std::chrono::steady_clock::time_point ended_;  // guarded by mutex_; the first of them
  bool is_finishing_ = false;                    // guarded by mutex_
  std::jthread thread_;                          // last: it uses all of the above
};

}  // namespace waggle
