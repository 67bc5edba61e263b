// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/symbolizer/cfi_builder.h"

namespace waggle {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr std::uint32_t kSize = 0x100;
const std::string kEntry = "sp+8 ra=cfa-8";

// Go's own rows: push %rbp without a word of where rbp is, and a frame of 64 bytes more.
CfiRows rows_of_go(const std::vector<ElfFunction>& functions, bool is_go = true) {
  const CfiBuilder builder = CfiBuilder().cie().fde(
      kCode, kSize,
      join(cfi::advance(1), cfi::def_cfa_offset(16), cfi::advance(4), cfi::def_cfa_offset(80)));
  const ElfFile file = make_elf({.eh_frame = builder.bytes(),
                                 .go_table = std::vector<std::byte>(is_go ? 1 : 0),
                                 .functions = functions});
  auto info = CallFrameInfo::read(file).value();
  CfiRows rows = rows_of(info);
  EXPECT_EQ(rows.back().second, "frame pointer");
  rows.pop_back();
  return rows;
}

TEST(GoRules, say_that_the_frame_pointer_is_next_to_the_return_address) {
  EXPECT_THAT(rows_of_go({}),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 1, "sp+16 fp=cfa-16 ra=cfa-8"),
                          Pair(kCode + 5, "sp+80 fp=cfa-16 ra=cfa-8")));
}

TEST(GoRules, leave_other_files_alone) {
  EXPECT_THAT(rows_of_go({{"runtime.systemstack.abi0", kCode, kSize}}, false),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 1, "sp+16 ra=cfa-8"),
                          Pair(kCode + 5, "sp+80 ra=cfa-8")));
}

TEST(GoRules, follow_the_frame_pointer_where_the_stack_is_changed) {
  for (const std::string_view name :
       {"runtime.systemstack.abi0", "runtime.asmcgocall.abi0", "runtime.mcall", "time.now"}) {
    EXPECT_THAT(rows_of_go({{name, kCode, kSize}}),
                ElementsAre(Pair(kCode, kEntry),
                            Pair(kCode + 1, "sp+16 fp=cfa-16 ra=cfa-8"),  // mov %rsp, %rbp
                            Pair(kCode + 4, "fp+16 anywhere fp=cfa-16 ra=cfa-8"),
                            Pair(kCode + 5, "fp+16 anywhere fp=cfa-16 ra=cfa-8")))
        << name;
  }
  EXPECT_EQ(rows_of_go({{"main.systemstack", kCode, kSize}})[1].second, "sp+16 fp=cfa-16 ra=cfa-8");
}

TEST(GoRules, end_where_nothing_is_returned_to) {
  EXPECT_THAT(rows_of_go({{"runtime.morestack.abi0", kCode, kSize}}),
              ElementsAre(Pair(kCode, "end")));
}

TEST(GoRules, know_the_signal_trampoline) {
  EXPECT_THAT(rows_of_go({{"runtime.sigreturn__sigaction.abi0", kCode, kSize}}),
              ElementsAre(Pair(kCode, "[sp+160] fp=sp+120 ra=sp+168 signal")));
}

// Its code cannot be read: it stays as it is.  tests/e2e/unwind has one whose code can.
TEST(GoRules, leave_a_clone_without_code_alone) {
  EXPECT_EQ(rows_of_go({{"runtime.clone.abi0", kCode, kSize}}).size(), 3U);
}

}  // namespace
}  // namespace waggle
