// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/mapping_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace waggle {
namespace {

class MappingHistoryTest : public testing::Test {
 protected:
  CodeMapping mapping(std::uint64_t start, std::uint64_t end, const std::string& path,
                      std::uint64_t from_ns, std::uint64_t file_offset = 0) {
    MappedIdentity identity;
    if (!path.empty()) {
      identity.inode = std::hash<std::string>()(path);
    }
    CodeMapping made;
    made.start = start;
    made.end = end;
    made.file_offset = file_offset;
    made.from_ns = from_ns;
    made.file = files_.intern(identity, path);
    return made;
  }

  // "path+offset of the address in the file", or "-".
  std::string at(std::uint64_t address, std::uint64_t time_ns) const {
    const CodeMapping* found = history_.find(address, time_ns);
    if (found == nullptr) {
      return "-";
    }
    return found->file->path + "+" + std::to_string(address - found->start + found->file_offset);
  }

  static constexpr std::uint64_t kMs = 1'000'000;
  MappedFiles files_;
  std::size_t bytes_ = 0;
  MappingHistory history_{bytes_};
};

TEST_F(MappingHistoryTest, finds_by_address_and_time) {
  history_.add(mapping(0x1000, 0x3000, "a", 10 * kMs, 0x100));
  EXPECT_EQ(at(0x1000, 20 * kMs), "a+256");
  EXPECT_EQ(at(0x2fff, 20 * kMs), "a+8447");
  EXPECT_EQ(at(0x3000, 20 * kMs), "-");
  EXPECT_EQ(at(0xfff, 20 * kMs), "-");
  EXPECT_EQ(at(0x1000, 5 * kMs), "-");
}

TEST_F(MappingHistoryTest, a_sample_just_before_the_record_finds_the_mapping) {
  history_.add(mapping(0x1000, 0x3000, "a", 10 * kMs));
  EXPECT_EQ(at(0x1000, 10 * kMs - 1), "a+0");
}

TEST_F(MappingHistoryTest, dlopen_at_the_same_address_replaces_from_then_on) {
  history_.add(mapping(0x1000, 0x3000, "a", 10 * kMs));
  history_.add(mapping(0x1000, 0x3000, "b", 20 * kMs));
  EXPECT_EQ(at(0x1800, 15 * kMs), "a+2048");
  EXPECT_EQ(at(0x1800, 20 * kMs), "b+2048");
  EXPECT_EQ(history_.current().size(), 1U);
}

TEST_F(MappingHistoryTest, an_overlap_splits_the_old_mapping) {
  history_.add(mapping(0x1000, 0x5000, "a", 10 * kMs));
  history_.add(mapping(0x2000, 0x3000, "b", 20 * kMs));
  EXPECT_EQ(history_.current().size(), 3U);
  EXPECT_EQ(at(0x1fff, 30 * kMs), "a+4095");
  EXPECT_EQ(at(0x2000, 30 * kMs), "b+0");
  EXPECT_EQ(at(0x3000, 30 * kMs), "a+8192");
  EXPECT_EQ(at(0x2000, 15 * kMs), "a+4096");
}

TEST_F(MappingHistoryTest, one_over_many_replaces_all_and_cuts_both_ends) {
  history_.add(mapping(0x1000, 0x2000, "a", 10 * kMs));
  history_.add(mapping(0x3000, 0x4000, "b", 10 * kMs));
  history_.add(mapping(0x5000, 0x6000, "c", 10 * kMs));
  history_.add(mapping(0x1800, 0x5800, "d", 20 * kMs));
  EXPECT_EQ(history_.current().size(), 3U);
  EXPECT_EQ(at(0x17ff, 30 * kMs), "a+2047");
  EXPECT_EQ(at(0x3000, 30 * kMs), "d+6144");
  EXPECT_EQ(at(0x3000, 15 * kMs), "b+0");
  EXPECT_EQ(at(0x5800, 30 * kMs), "c+2048");
}

TEST_F(MappingHistoryTest, what_is_told_again_changes_nothing) {
  history_.add(mapping(0x1000, 0x3000, "a", 10 * kMs, 0x4000));
  const std::uint64_t epoch = history_.epoch();
  history_.add(mapping(0x1000, 0x3000, "a", 20 * kMs, 0x4000));
  history_.add(mapping(0x2000, 0x3000, "a", 30 * kMs, 0x5000));
  EXPECT_EQ(history_.epoch(), epoch);
  EXPECT_EQ(at(0x2000, 15 * kMs), "a+20480");
}

TEST_F(MappingHistoryTest, growing_jit_memory_stays_one_mapping) {
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    history_.add(mapping(0x10000, 0x10000 + i * 0x1000, "", i * kMs));
  }
  EXPECT_EQ(history_.current().size(), 1U);
  EXPECT_EQ(at(0x10000 + 999 * 0x1000, 1000 * kMs), "+4091904");
}

TEST_F(MappingHistoryTest, the_same_file_at_another_bias_is_another_mapping) {
  history_.add(mapping(0x1000, 0x3000, "a", 10 * kMs, 0));
  history_.add(mapping(0x1000, 0x3000, "a", 20 * kMs, 0x8000));
  EXPECT_EQ(at(0x1000, 15 * kMs), "a+0");
  EXPECT_EQ(at(0x1000, 25 * kMs), "a+32768");
}

TEST_F(MappingHistoryTest, a_snapshot_adds_what_was_always_there) {
  history_.add(mapping(0x5000, 0x6000, "new", 50 * kMs));
  const std::vector<CodeMapping> snapshot{mapping(0x1000, 0x2000, "old", 0),
                                          mapping(0x5000, 0x6000, "new", 0)};
  history_.merge_snapshot(snapshot, 100 * kMs, 100 * kMs);
  EXPECT_TRUE(history_.is_complete());
  EXPECT_EQ(at(0x1000, 1), "old+0");
  EXPECT_EQ(at(0x5000, 1), "-");  // the stream knows better
  EXPECT_EQ(at(0x5000, 60 * kMs), "new+0");
}

TEST_F(MappingHistoryTest, a_snapshot_ends_what_it_lacks_and_finds_what_moved) {
  history_.add(mapping(0x1000, 0x2000, "text", 10 * kMs));
  const std::vector<CodeMapping> snapshot{mapping(0x9000, 0xa000, "text", 0)};
  history_.merge_snapshot(snapshot, 100 * kMs, 100 * kMs);
  EXPECT_EQ(at(0x1000, 50 * kMs), "text+0");
  EXPECT_EQ(at(0x1000, 101 * kMs), "-");
  EXPECT_EQ(at(0x9000, 50 * kMs), "text+0");
}

TEST_F(MappingHistoryTest, a_snapshot_replaces_what_was_lost_no_earlier_than_the_loss) {
  history_.add(mapping(0x1000, 0x2000, "a", 10 * kMs));
  const std::vector<CodeMapping> snapshot{mapping(0x1000, 0x2000, "b", 0)};
  history_.merge_snapshot(snapshot, 40 * kMs, 100 * kMs);
  EXPECT_EQ(at(0x1000, 30 * kMs), "a+0");
  EXPECT_EQ(at(0x1000, 41 * kMs), "b+0");
}

TEST_F(MappingHistoryTest, dropping_the_snapshot_keeps_what_the_stream_told) {
  history_.add(mapping(0x5000, 0x6000, "new", 50 * kMs));
  history_.merge_snapshot(
      std::vector{mapping(0x1000, 0x2000, "old", 0), mapping(0x5000, 0x6000, "new", 0)}, 100 * kMs,
      100 * kMs);
  history_.drop_snapshot();
  EXPECT_FALSE(history_.is_complete());
  EXPECT_EQ(at(0x1000, 60 * kMs), "-");
  EXPECT_EQ(at(0x5000, 60 * kMs), "new+0");
}

TEST_F(MappingHistoryTest, refuses_mappings_beyond_its_limit) {
  for (std::uint64_t i = 0; i < MappingHistory::kMaxCurrent; ++i) {
    ASSERT_TRUE(history_.add(mapping(0x1000 * (2 * i + 1), 0x1000 * (2 * i + 2), "a", kMs)));
  }
  EXPECT_FALSE(history_.add(mapping(1ULL << 40, 2ULL << 40, "a", kMs)));
  EXPECT_EQ(history_.current().size(), MappingHistory::kMaxCurrent);
  EXPECT_TRUE(history_.add(mapping(0, 1ULL << 40, "b", 2 * kMs)));  // one over all of them fits
  EXPECT_EQ(history_.current().size(), 1U);
}

TEST_F(MappingHistoryTest, the_past_is_bounded_and_the_latest_of_it_stays) {
  for (std::uint64_t i = 1; i <= 10'000; ++i) {
    history_.add(mapping(0x1000, 0x2000, i % 2 == 0 ? "even" : "odd", i * 10 * kMs));
  }
  EXPECT_EQ(at(0x1000, 9'995UL * 10 * kMs), "odd+0");
  EXPECT_EQ(at(0x1000, 9'996UL * 10 * kMs), "even+0");
  EXPECT_EQ(at(0x1000, 10 * kMs), "-");
  EXPECT_LT(bytes_, 64U * 1024);
}

// Against the plainest model: an array of pages.
TEST_F(MappingHistoryTest, agrees_with_a_page_array_on_random_mappings) {
  constexpr std::uint64_t kPages = 64;
  std::mt19937 random(7);
  std::vector<std::string> model(kPages, "-");
  for (std::uint64_t round = 1; round <= 5000; ++round) {
    const std::uint64_t first = random() % kPages;
    const std::uint64_t last = std::min(kPages, first + 1 + random() % 8);
    const std::string path(1, static_cast<char>('a' + random() % 4));
    const std::uint64_t bias = random() % 2 * 0x100000;
    history_.add(mapping(first << 12, last << 12, path, round * 10 * kMs, (first << 12) + bias));
    for (std::uint64_t page = first; page < last; ++page) {
      model[page] = path + "+" + std::to_string((page << 12) + bias);
    }
    for (std::uint64_t page = 0; page < kPages; ++page) {
      ASSERT_EQ(at(page << 12, round * 10 * kMs), model[page]) << round;
    }
    for (std::size_t i = 1; i < history_.current().size(); ++i) {
      ASSERT_LE(history_.current()[i - 1].end, history_.current()[i].start);
    }
  }
}

TEST_F(MappingHistoryTest, copies_and_destruction_are_accounted) {
  history_.add(mapping(0x1000, 0x2000, "a", 1));
  const std::size_t one = bytes_;
  {
    const MappingHistory copy(history_);
    EXPECT_GT(bytes_, one);
  }
  EXPECT_EQ(bytes_, one);
}

TEST(MappedFiles, keeps_equal_files_once_and_forgets_unheld_ones) {
  MappedFiles files;
  MappedIdentity identity;
  identity.inode = 5;
  const MappedFileRef held = files.intern(identity, "/a");
  EXPECT_EQ(files.intern(identity, "/a"), held);
  EXPECT_NE(files.intern(identity, "/b"), held);
  for (int i = 0; i < 100'000; ++i) {
    (void)files.intern(identity, std::to_string(i));
  }
  EXPECT_LE(files.size(), 1024U);
  files.sweep();
  EXPECT_EQ(files.size(), 1U);
  EXPECT_EQ(files.intern(identity, "/a"), held);
}

TEST(MappedFiles, one_file_told_by_both_sources_is_recognised_by_its_path) {
  MappedFile by_build_id{{}, "/lib/x"};
  by_build_id.identity.build_id_size = 20;
  MappedFile by_inode{{}, "/lib/x"};
  by_inode.identity.inode = 9;
  EXPECT_TRUE(may_be_same_file(by_build_id, by_inode));
  by_inode.path = "/lib/y";
  EXPECT_FALSE(may_be_same_file(by_build_id, by_inode));
  MappedFile renamed = by_inode;
  renamed.path = "/lib/z";
  EXPECT_TRUE(may_be_same_file(by_inode, renamed));
  EXPECT_FALSE(may_be_same_file(by_inode, MappedFile{{}, "[vdso]"}));
}

}  // namespace
}  // namespace waggle
