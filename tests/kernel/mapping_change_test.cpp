// SPDX-License-Identifier: Apache-2.0
// What the kernel side believes of a process' mappings between a change and the next time that user
// space tells of them.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/file.h"
#include "base/unique_fd.h"
#include "bpf/abi/frame.h"
#include "bpf/abi/mappings.h"
#include "userspace/attach/features.h"
#include "userspace/attach/sampling_event.h"
#include "userspace/process/mapping_feeder.h"
#include "userspace/samplers/cpu_sampler.h"

namespace waggle {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kFileId = 7;

class MappingChange : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!can_trace_function(kMmapFunction)) {
      GTEST_SKIP() << "this kernel cannot trace " << kMmapFunction;
    }
    sampler_.emplace(
        CpuSampler::load({.frequency = 999, .is_pid_filtered = true, .skips_itself = false})
            .value());
    ASSERT_TRUE(sampler_->select_pid(::getpid()));
    feeder_.emplace(sampler_->mappings_fd(), sampler_->nodes_fd(), sampler_->mappings_version());
    const auto threads = sampler_->list_threads().value();
    for (const process_thread& thread : threads) {
      if (thread.process.tgid == static_cast<std::uint32_t>(::getpid())) {
        self_ = thread.process;
      }
    }
    ASSERT_NE(self_.tgid, 0U);
    feed();
    ASSERT_TRUE(sampler_->start(choose_sampling_event().value()));
  }

  // This function's page and its neighbours as a mapping of a file.
  void feed() {
    const auto code = reinterpret_cast<std::uint64_t>(&MappingChange::burn);
    start_ = (code & ~(kPage - 1)) - kPage;
    end_ = start_ + 3 * kPage;
    const MappingFeeder::Row row{.row = {.start = start_,
                                         .end = end_,
                                         .first_frame = frame_make_native(kFileId, 0),
                                         .table = UNW_NO_TABLE,
                                         .first_key = 0},
                                 .file = nullptr,
                                 .table = nullptr};
    ASSERT_TRUE(feeder_->feed(self_, ++fed_, {&row, 1}, {.is_cut = false, .has_python = false}));
  }

  [[nodiscard]] process_mappings known() const {
    process_mappings mappings{};
    EXPECT_EQ(bpf_map_lookup_elem(sampler_->mappings_fd(), &self_, &mappings), 0);
    return mappings;
  }

  // A page of this program, mapped once more.
  static std::uint64_t map_page(int protection, std::uint64_t wanted = 0) {
    const UniqueFd self = open_file("/proc/self/exe", O_RDONLY).value();
    void* page = ::mmap(reinterpret_cast<void*>(wanted), kPage, protection,
                        MAP_PRIVATE | (wanted == 0 ? 0 : MAP_FIXED_NOREPLACE), self.get(), 0);
    EXPECT_NE(page, MAP_FAILED);
    return reinterpret_cast<std::uint64_t>(page);
  }

  __attribute__((noinline)) static void burn() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (std::chrono::steady_clock::now() < end) {
      for (volatile int i = 0; i < 10000;) {
        i = i + 1;
      }
    }
  }

  struct Seen {
    std::uint64_t native = 0;   // innermost frames that a row told
    std::uint64_t address = 0;  // in the same place, and no row told
  };
  Seen burn_and_look() {
    const CountedStackSink drop = [](const CountedStack&) {};
    EXPECT_TRUE(sampler_->drain(drop));
    EXPECT_TRUE(sampler_->drain(drop));
    burn();
    Seen seen;
    const CountedStackSink look = [&](const CountedStack& stack) {
      for (const std::uint64_t frame : stack.frames) {
        const std::uint64_t payload = frame_payload(frame);
        seen.native += frame_kind_of(frame) == FRAME_NATIVE ? stack.count : 0;
        seen.address += frame_kind_of(frame) == FRAME_USER && payload >= start_ && payload < end_
                            ? stack.count
                            : 0;
      }
    };
    EXPECT_TRUE(sampler_->drain(look));
    EXPECT_TRUE(sampler_->drain(look));
    return seen;
  }

  std::optional<CpuSampler> sampler_;
  std::optional<MappingFeeder> feeder_;
  process_id self_{};
  std::uint64_t fed_ = 0;
  std::uint64_t start_ = 0;
  std::uint64_t end_ = 0;
};

TEST_F(MappingChange, is_known_at_once_and_until_user_space_tells) {
  const process_mappings before = known();
  EXPECT_EQ(before.changed_end, 0U);
  (void)map_page(PROT_READ);  // data
  EXPECT_EQ(known().changed_end, 0U);
  const std::uint64_t version = sampler_->mappings_version();
  const std::uint64_t page = map_page(PROT_READ | PROT_EXEC);
  const process_mappings changed = known();
  EXPECT_EQ(changed.changed_start, page);
  EXPECT_EQ(changed.changed_end, page + kPage);
  EXPECT_EQ(changed.epoch, before.epoch + MAPPINGS_EPOCH_CHANGED);
  EXPECT_GT(sampler_->mappings_version(), version);
  feed();
  EXPECT_EQ(known().changed_end, 0U);
}

// Mapped around, so that what was changed holds the row.
TEST_F(MappingChange, is_believed_by_no_walk) {
  const Seen before = burn_and_look();
  EXPECT_GT(before.native, 50U);
  EXPECT_EQ(before.address, 0U);
  (void)map_page(PROT_READ | PROT_EXEC, start_ - (std::uint64_t{1} << 26));
  (void)map_page(PROT_READ | PROT_EXEC, end_ + (std::uint64_t{1} << 34));
  const Seen meanwhile = burn_and_look();
  EXPECT_EQ(meanwhile.native, 0U);
  EXPECT_GT(meanwhile.address, 50U);
  feed();
  const Seen after = burn_and_look();
  EXPECT_GT(after.native, 50U);
  EXPECT_EQ(after.address, 0U);
}

}  // namespace
}  // namespace waggle
