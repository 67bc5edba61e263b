// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/phpspy/output_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Parsed {
  std::vector<std::string> stacks;  // "pid: frame;frame"
  PhpspyOutputParser::Counters counters;
};

Parsed parse(std::string_view text, std::size_t piece_bytes = std::string::npos) {
  Parsed parsed;
  PhpspyOutputParser parser([&](const PhpspyStack& stack) {
    std::string joined;
    for (const std::string_view frame : stack.frames) {
      joined += joined.empty() ? "" : ";";
      joined += phpspy_frame_text(frame);
    }
    parsed.stacks.push_back(std::to_string(stack.pid) + ": " + joined);
  });
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, piece_bytes);
    text.remove_prefix(piece.size());
    parser.feed(piece);
  }
  parser.finish();
  parsed.counters = parser.counters();
  return parsed;
}

// As phpspy's manual shows it, with pids.
constexpr std::string_view kBlocks =
    "0 Memcached::get <internal>:-1\n"
    "1 IpDb_CacheBase::getFromCache /foo/bar/lib/IpDb/CacheBase.php:165\n"
    "2 <main> /foo/bar/htdocs/v3/public.php:5\n"
    "# pid = 455\n"
    "\n"
    "0 usleep <internal>:-1\n"
    "1 <main> <internal>:-1\n"
    "# pid = 7\n"
    "\n";

TEST(PhpspyOutputParser, reads_blocks) {
  const Parsed parsed = parse(kBlocks);
  EXPECT_THAT(parsed.stacks,
              ElementsAre("455: <main> /foo/bar/htdocs/v3/public.php:5_[php];"
                          "IpDb_CacheBase::getFromCache /foo/bar/lib/IpDb/CacheBase.php:165_[php];"
                          "Memcached::get <internal>:-1_[php]",
                          "7: <main> <internal>:-1_[php];usleep <internal>:-1_[php]"));
  EXPECT_EQ(parsed.counters.stacks, 2U);
  EXPECT_EQ(parsed.counters.bad_blocks, 0U);
}

TEST(PhpspyOutputParser, reads_the_same_however_the_text_is_cut_into_pieces) {
  for (std::size_t bytes = 1; bytes < kBlocks.size(); ++bytes) {
    EXPECT_EQ(parse(kBlocks, bytes).stacks, parse(kBlocks).stacks) << bytes;
  }
}

TEST(PhpspyOutputParser, reads_the_separator_of_old_versions_and_passes_comments_over) {
  const Parsed parsed =
      parse("0 f /a.php:1\n# ts = 12.5\n# pid = 3\n# - - - - -\n0 g /a.php:2\n# pid = 4\n\n\n\n");
  EXPECT_THAT(parsed.stacks, ElementsAre("3: f /a.php:1_[php]", "4: g /a.php:2_[php]"));
  EXPECT_EQ(parsed.counters.bad_blocks, 0U);
}

TEST(PhpspyOutputParser, counts_blocks_that_are_mixed_up_and_goes_on) {
  for (const std::string bad :
       {"0 f /a.php:1\n\n", "# pid = 3\n\n", "1 f /a.php:1\n# pid = 3\n\n",
        "0 f /a.php:1\n2 g /a.php:2\n# pid = 3\n\n", "0 f /a.php:1\n0 f /a.php:1\n# pid = 3\n\n",
        "0 f /a.php:1\n# pid = x\n\n", "0 f /a.php:1\n# pid = -1\n\n",
        "0 f /a.php:1\n# pid = 3\n# pid = 4\n\n", "0 \n# pid = 3\n\n", "0 f\x1b /a\n# pid = 3\n\n",
        "f\n# pid = 3\n\n"}) {
    const Parsed parsed = parse(bad + "0 g /b.php:2\n# pid = 8\n\n");
    EXPECT_THAT(parsed.stacks, ElementsAre("8: g /b.php:2_[php]")) << bad;
    EXPECT_EQ(parsed.counters.bad_blocks, 1U) << bad;
  }
}

TEST(PhpspyOutputParser, drops_a_block_that_nothing_ended) {
  for (const std::string text : {"0 f /a.php:1\n# pid = 3\n", "0 f /a.php:1\n# pid = 3", "0 f"}) {
    const Parsed parsed = parse(text);
    EXPECT_THAT(parsed.stacks, IsEmpty()) << text;
    EXPECT_EQ(parsed.counters.bad_blocks, 1U) << text;
  }
  EXPECT_EQ(parse("").counters.bad_blocks, 0U);
}

TEST(PhpspyOutputParser, keeps_to_its_limits) {
  const std::string long_line = "0 " + std::string(PhpspyOutputParser::kMaxLineBytes, 'x') + "\n";
  EXPECT_EQ(parse(long_line + "# pid = 3\n\n").counters.bad_blocks, 1U);
  std::string deep;
  for (std::size_t i = 0; i <= PhpspyOutputParser::kMaxFrames; ++i) {
    deep += std::to_string(i) + " f /a:1\n";
  }
  EXPECT_EQ(parse(deep + "# pid = 3\n\n").counters.bad_blocks, 1U);
  std::string large;
  for (int i = 0; i < 20; ++i) {
    large += std::to_string(i) + " " + std::string(60'000, 'x') + "\n";
  }
  EXPECT_EQ(parse(large + "# pid = 3\n\n").counters.bad_blocks, 1U);
}

}  // namespace
}  // namespace waggle
