// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/proc_maps.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <string>
#include <vector>

#include "base/file.h"

namespace waggle {
namespace {

using testing::ElementsAre;

constexpr std::string_view kText =
    "55d0c0400000-55d0c0401000 r--p 00000000 08:01 131 /usr/bin/a b\n"
    "55d0c0401000-55d0c0403000 r-xp 00001000 08:01 131 /usr/bin/a b\n"
    "7f0000000000-7f0000002000 rwxs 00000000 00:00 0 \n"
    "7f0000002000-7f0000003000 r-xp 00002000 fe:101 99      /lib/x\\012y.so (deleted)\n"
    "7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                  [vdso]\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

std::vector<std::string> paths(std::string_view text, MapsFilter filter, MapsSummary* summary) {
  std::vector<std::string> found;
  *summary =
      parse_maps(text, filter, [&](const MapsEntry& entry) { found.emplace_back(entry.path); });
  return found;
}

TEST(ProcMaps, keeps_executable_entries_or_all) {
  MapsSummary summary;
  EXPECT_THAT(paths(kText, MapsFilter::executable, &summary),
              ElementsAre("/usr/bin/a b", "", "/lib/x\ny.so", "[vdso]", "[vsyscall]"));
  EXPECT_EQ(summary.entry_count, 5U);
  EXPECT_EQ(paths(kText, MapsFilter::all, &summary).size(), 6U);
  EXPECT_EQ(summary.malformed_count, 0U);
}

TEST(ProcMaps, reads_every_field) {
  std::vector<MapsEntry> entries;
  parse_maps(kText, MapsFilter::executable,
             [&](const MapsEntry& entry) { entries.push_back(entry); });
  ASSERT_EQ(entries.size(), 5U);
  EXPECT_EQ(entries[0].start, 0x55d0c0401000U);
  EXPECT_EQ(entries[0].end, 0x55d0c0403000U);
  EXPECT_EQ(entries[0].file_offset, 0x1000U);
  EXPECT_EQ(entries[0].inode, 131U);
  EXPECT_FALSE(entries[0].is_shared);
  EXPECT_TRUE(entries[1].is_shared);
  EXPECT_EQ(entries[1].protection, static_cast<unsigned>(PROT_READ | PROT_WRITE | PROT_EXEC));
  EXPECT_EQ(entries[2].device_major, 0xfeU);
  EXPECT_EQ(entries[2].device_minor, 0x101U);
  EXPECT_TRUE(entries[2].has_deleted_suffix);
  EXPECT_FALSE(entries[3].has_deleted_suffix);
  EXPECT_EQ(entries[4].end, 0xffffffffff601000U);
}

TEST(ProcMaps, leaves_out_lines_that_break_the_format) {
  const std::string good = "1000-2000 r-xp 00000000 08:01 1 /a\n";
  for (const char* bad : {"\n", "x\n", "2000-1000 r-xp 0 08:01 1 /a\n",
                          "1000-2000 r-x 0 08:01 1 /a\n", "1000-2000 r-xp z 08:01 1 /a\n",
                          "1000-2000 r-xp 0 0801 1 /a\n", "1000-2000 r-xp 0 08:01 -1 /a\n",
                          "11111111111111111-2 r-xp 0 08:01 1 /a\n", "1000-2000 r-xp 0 08:01\n"}) {
    MapsSummary summary;
    EXPECT_EQ(paths(good + bad + good, MapsFilter::all, &summary).size(), 2U) << bad;
    EXPECT_EQ(summary.malformed_count, 1U) << bad;
  }
}

TEST(ProcMaps, a_text_without_its_last_newline_is_cut_there) {
  MapsSummary summary;
  EXPECT_TRUE(paths("1000-2000 r-xp 00000000 08:01 1 /a", MapsFilter::all, &summary).empty());
  EXPECT_EQ(summary.malformed_count, 1U);
}

TEST(ProcMaps, pieces_of_any_size_give_the_same) {
  MapsSummary whole_summary;
  const auto whole = paths(kText, MapsFilter::all, &whole_summary);
  for (std::size_t size = 1; size < 100; ++size) {
    std::vector<std::string> found;
    MapsParser parser(MapsFilter::all,
                      [&](const MapsEntry& entry) { found.emplace_back(entry.path); });
    for (std::size_t at = 0; at < kText.size(); at += size) {
      parser.feed(kText.substr(at, size));
    }
    EXPECT_EQ(parser.finish().malformed_count, 0U);
    EXPECT_EQ(found, whole) << size;
  }
}

TEST(ProcMaps, a_line_beyond_the_limit_is_left_out_and_the_next_is_read) {
  const std::string text = "1000-2000 r-xp 00000000 08:01 1 /" +
                           std::string(kMaxMapsLineBytes, 'a') +
                           "\n3000-4000 r-xp 00000000 08:01 1 /b\n";
  MapsSummary summary;
  EXPECT_THAT(paths(text, MapsFilter::all, &summary), ElementsAre("/b"));
  EXPECT_EQ(summary.malformed_count, 1U);
}

TEST(ProcMaps, stops_at_the_limit_of_entries_and_says_so) {
  std::string text;
  for (std::size_t i = 0; i <= kMaxMapsEntries; ++i) {
    text += "1000-2000 r-xp 0 0:0 0 \n";
  }
  MapsSummary summary;
  EXPECT_EQ(paths(text, MapsFilter::all, &summary).size(), kMaxMapsEntries);
  EXPECT_TRUE(summary.is_cut);
}

TEST(ProcMaps, reads_our_own) {
  const auto fd = open_file("/proc/self/maps", O_RDONLY);
  ASSERT_TRUE(fd);
  const auto here = reinterpret_cast<std::uint64_t>(&parse_maps);
  int hits = 0;
  const auto summary = read_maps(fd->get(), MapsFilter::executable, [&](const MapsEntry& entry) {
    hits += entry.start <= here && here < entry.end;
  });
  ASSERT_TRUE(summary);
  EXPECT_EQ(hits, 1);
  EXPECT_EQ(summary->malformed_count, 0U);
}

}  // namespace
}  // namespace waggle
