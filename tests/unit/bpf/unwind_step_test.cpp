// SPDX-License-Identifier: Apache-2.0
// Steps over stacks of hand-made words.  unwind_live_test.cpp takes those of a running program.
#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <vector>

#include "tests/unit/bpf/fake_stack.h"

namespace waggle {
namespace {

constexpr std::uint64_t kSp = 0x7ffd00001000;
constexpr std::uint64_t kIp = 0x401000;
constexpr std::uint64_t kCaller = 0x402345;
constexpr std::uint64_t kFp = kSp + 0x100;
constexpr std::uint64_t kCallerFp = kSp + 0x400;

struct Registers {
  std::uint64_t ip;
  std::uint64_t sp;
  std::uint64_t fp;
  friend bool operator==(const Registers&, const Registers&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Registers& r) {
    return out << std::hex << "ip " << r.ip << " sp " << r.sp << " fp " << r.fp;
  }
};

unw_rule rule_of(unw_cfa cfa, std::int32_t offset) {
  unw_rule rule{};
  rule.cfa = static_cast<std::uint8_t>(cfa);
  rule.cfa_offset = offset;
  rule.ra = UNW_SAVED_CFA;
  rule.ra_offset = -8;
  return rule;
}

unw_rule with_fp(unw_rule rule, unw_saved saved, std::int16_t offset) {
  rule.fp = static_cast<std::uint8_t>(saved);
  rule.fp_offset = offset;
  return rule;
}

class UnwindStep : public ::testing::Test {
 protected:
  void put(std::uint64_t address, std::initializer_list<std::uint64_t> words) {
    for (const std::uint64_t word : words) {
      memory_.words[address] = word;
      address += sizeof(word);
    }
  }
  unw_outcome step(const unw_rule& rule, std::uint64_t other = 0) {
    return unw_step_rule(&memory_, &registers_, &rule, other);
  }
  [[nodiscard]] Registers now() const { return {registers_.ip, registers_.sp, registers_.fp}; }

  void expect_unchanged(const unw_rule& rule, unw_outcome outcome, std::uint64_t other = 0) {
    const Registers before = now();
    EXPECT_EQ(step(rule, other), outcome);
    EXPECT_EQ(now(), before);
  }

  unw_memory memory_;
  unw_registers registers_ = {kIp, kSp, kFp};
};

TEST_F(UnwindStep, finds_the_caller_at_the_entry_of_a_function) {
  put(kSp, {kCaller, 0});
  EXPECT_EQ(step(rule_of(UNW_CFA_SP, 8)), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp + 8, kFp}));
}

TEST_F(UnwindStep, finds_the_caller_after_push_rbp_in_the_body_and_in_the_epilogue) {
  put(kSp, {0xdead, kCallerFp, kCaller, 0});
  EXPECT_EQ(step(with_fp(rule_of(UNW_CFA_SP, 24), UNW_SAVED_CFA, -16)), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp + 24, kCallerFp}));
  // pop %rbp done: the register is the caller's again.
  registers_ = {kIp, kSp + 16, kCallerFp};
  EXPECT_EQ(step(rule_of(UNW_CFA_SP, 8)), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp + 24, kCallerFp}));
}

TEST_F(UnwindStep, finds_a_frame_pointer_that_lies_far_from_the_return_address) {
  put(kSp, {1, kCallerFp, 2, 3, 4, kCaller, 0});
  EXPECT_EQ(step(with_fp(rule_of(UNW_CFA_SP, 48), UNW_SAVED_CFA, -40)), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp + 48, kCallerFp}));
}

TEST_F(UnwindStep, finds_the_caller_of_an_rbp_frame_whatever_sp_is) {
  put(kFp, {kCallerFp, kCaller});
  EXPECT_EQ(step(with_fp(rule_of(UNW_CFA_FP, 16), UNW_SAVED_CFA, -16)), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kFp + 16, kCallerFp}));
}

TEST_F(UnwindStep, takes_offsets_of_more_than_16_bits) {
  put(kSp + (1 << 20) - 8, {kCaller, 0});
  EXPECT_EQ(step(rule_of(UNW_CFA_SP, 1 << 20)), UNW_STEPPED);
  EXPECT_EQ(now().sp, kSp + (1 << 20));
}

// lea 8(%rsp),%r10; and $-64,%rsp; push -8(%r10); push %rbp; mov %rsp,%rbp; push %r10
TEST_F(UnwindStep, finds_the_caller_of_a_realigned_frame_in_each_of_its_parts) {
  const std::uint64_t cfa = kFp + 0x88;
  put(cfa - 8, {kCaller, 0});
  EXPECT_EQ(step(rule_of(UNW_CFA_OTHER, 0), cfa), UNW_STEPPED);  // r10 has it
  EXPECT_EQ(now(), (Registers{kCaller, cfa, kFp}));

  registers_ = {kIp, kSp, kFp};
  put(kFp - 8, {cfa, kCallerFp, 0});  // saved r10, saved rbp
  const unw_rule body = with_fp(rule_of(UNW_CFA_FP_DEREF, -8), UNW_SAVED_FP, 0);
  EXPECT_EQ(step(body), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, cfa, kCallerFp}));
}

// GCC's rule still names fp's slot where fp has been popped already.
TEST_F(UnwindStep, keeps_a_frame_pointer_that_points_outside_of_a_realigned_frame) {
  const std::uint64_t cfa = kSp + 0x20;
  put(cfa - 8, {kCaller, 0});
  put(kCallerFp, {0xdead, 0});
  registers_.fp = kCallerFp;
  const unw_rule epilogue = with_fp(rule_of(UNW_CFA_OTHER, 0), UNW_SAVED_FP, 0);
  EXPECT_EQ(step(epilogue, cfa), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, cfa, kCallerFp}));
}

TEST_F(UnwindStep, adds_what_follows_the_dereference) {
  put(kSp + 40, {kSp + 0x100, 0});  // where sp was before it was aligned
  put(kSp + 0x100, {kCaller, 0});
  unw_rule rule = rule_of(UNW_CFA_SP_DEREF, 40);
  rule.cfa_addend = 8;
  EXPECT_EQ(step(rule), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp + 0x108, kFp}));
}

TEST_F(UnwindStep, finds_the_cfa_by_an_index_in_a_register) {
  put(kSp + 8 + 8 * 5, {kSp + 0x100, 0});
  put(kSp + 0x100, {kCaller, 0});
  unw_rule rule = rule_of(UNW_CFA_SP_INDEX_DEREF, 8);
  rule.cfa_addend = 8;
  EXPECT_EQ(step(rule, 5), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp + 0x108, kFp}));
}

TEST_F(UnwindStep, needs_the_other_register_where_the_rule_does) {
  put(kSp, {kCaller, kCaller, kCaller, kCaller});
  expect_unchanged(rule_of(UNW_CFA_OTHER, 8), UNW_NO_INFO);
  expect_unchanged(rule_of(UNW_CFA_SP_INDEX_DEREF, 8), UNW_NO_INFO);
  unw_rule in_register = rule_of(UNW_CFA_SP, 8);
  in_register.ra = UNW_SAVED_OTHER;
  expect_unchanged(in_register, UNW_NO_INFO);
}

TEST_F(UnwindStep, finds_the_caller_of_vfork_whose_return_address_is_in_rdi) {
  unw_rule rule = rule_of(UNW_CFA_SP, 0);
  rule.ra = UNW_SAVED_OTHER;
  rule.ra_offset = 0;
  EXPECT_EQ(step(rule, kCaller), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp, kFp}));
}

TEST_F(UnwindStep, knows_both_halves_of_a_plt_entry) {
  unw_rule rule = rule_of(UNW_CFA_PLT, 8);
  rule.cfa_addend = 11;
  put(kSp, {kCaller, 0, 0});
  registers_.ip = 0x401026;  // jmp *GOT, and the push of 5 bytes behind it
  EXPECT_EQ(step(rule), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp + 8, kFp}));

  put(kSp, {3 /* index of the relocation */, kCaller, 0});
  registers_ = {0x40102b, kSp, kFp};  // jmp PLT0
  EXPECT_EQ(step(rule), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp + 16, kFp}));
}

// glibc's __restore_rt: sp is at the frame that the kernel has pushed.
unw_rule signal_rule() {
  unw_rule rule = with_fp(rule_of(UNW_CFA_SP_DEREF, 160), UNW_SAVED_SP, 120);
  rule.ra = UNW_SAVED_SP;
  rule.ra_offset = 168;
  rule.is_signal_frame = 1;
  return rule;
}

TEST_F(UnwindStep, goes_from_a_signal_trampoline_to_the_interrupted_frame) {
  put(kSp + 120, {kCallerFp, 0});
  put(kSp + 160, {kSp + 0x500, kCaller, 0});
  EXPECT_EQ(step(signal_rule()), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, kSp + 0x500, kCallerFp}));
}

TEST_F(UnwindStep, leaves_an_alternate_signal_stack_downwards_too) {
  put(kSp + 120, {kCallerFp, 0});
  put(kSp + 160, {kSp - 0x100000, kCaller, 0});
  EXPECT_EQ(step(signal_rule()), UNW_STEPPED);
  EXPECT_EQ(now().sp, kSp - 0x100000);
}

TEST_F(UnwindStep, refuses_a_signal_frame_that_leads_into_the_kernel) {
  put(kSp + 120, {kCallerFp, 0});
  put(kSp + 160, {0xffff888000000000, kCaller, 0});
  expect_unchanged(signal_rule(), UNW_NO_INFO);
}

TEST_F(UnwindStep, is_complete_where_the_return_address_is_undefined_or_zero) {
  unw_rule end{};
  end.cfa = UNW_CFA_END;
  expect_unchanged(end, UNW_COMPLETE);
  put(kSp, {0, 0});
  expect_unchanged(rule_of(UNW_CFA_SP, 8), UNW_COMPLETE);
}

TEST_F(UnwindStep, goes_by_frame_pointer_where_there_is_no_rule) {
  for (const unw_cfa cfa : {UNW_CFA_FRAME_POINTER, UNW_CFA_UNSUPPORTED}) {
    registers_ = {kIp, kSp, kFp};
    put(kFp, {kCallerFp, kCaller});
    unw_rule rule{};
    rule.cfa = static_cast<std::uint8_t>(cfa);
    EXPECT_EQ(step(rule), UNW_STEPPED);
    EXPECT_EQ(now(), (Registers{kCaller, kFp + 16, kCallerFp}));
  }
  registers_ = {kIp, kSp, kSp - 16};
  expect_unchanged(unw_rule{}, UNW_NO_INFO);
  registers_ = {kIp, kSp, 0};
  expect_unchanged(unw_rule{}, UNW_COMPLETE);
}

// A table that has not come yet: the register may be anything.
TEST_F(UnwindStep, believes_no_end_where_a_table_is_missing) {
  unw_rule rule{};
  rule.cfa = UNW_CFA_UNSUPPORTED;
  registers_ = {kIp, kSp, 0};
  expect_unchanged(rule, UNW_NO_INFO);
  registers_ = {kIp, kSp, kFp};
  put(kFp, {kCallerFp, 0});
  expect_unchanged(rule, UNW_NO_INFO);
}

// Go's runtime on its own stack: the frame pointer is the goroutine's, which lies anywhere.
TEST_F(UnwindStep, changes_to_the_stack_that_the_frame_pointer_is_on) {
  const unw_rule rule = with_fp(rule_of(UNW_CFA_FP_ANYWHERE, 16), UNW_SAVED_CFA, -16);
  const std::uint64_t far_below = kSp - 0x100000;
  put(far_below, {kCallerFp, kCaller, 0});
  registers_ = {kIp, kSp, far_below};
  EXPECT_EQ(step(rule), UNW_STEPPED);
  EXPECT_EQ(now(), (Registers{kCaller, far_below + 16, kCallerFp}));
  registers_ = {kIp, kSp, 0};  // it was called by no goroutine
  expect_unchanged(rule, UNW_COMPLETE);
}

TEST(UnwindSpare, is_in_its_register_until_a_frame_saves_it) {
  unw_spare spare = {};
  unw_rule rule{};
  rule.spare = UNW_SPARE_KEPT;
  unw_follow_spare(&spare, &rule, kSp, 0);
  EXPECT_EQ(spare.frame, 1U);
  EXPECT_EQ(spare.address, 0U);
  rule.spare = 5;
  unw_follow_spare(&spare, &rule, kSp, 1);
  EXPECT_EQ(spare.frame, 2U);
  EXPECT_EQ(spare.address, kSp - 5 * 8);
  rule.spare = UNW_SPARE_KEPT;
  unw_follow_spare(&spare, &rule, kSp + 0x100, 2);
  EXPECT_EQ(spare.frame, 3U);
  EXPECT_EQ(spare.address, kSp - 5 * 8);
}

TEST(UnwindSpare, is_lost_for_good_where_one_frame_does_not_say) {
  unw_spare spare = {};
  const unw_rule silent{};
  unw_rule saving{};
  saving.spare = 5;
  unw_follow_spare(&spare, &silent, kSp, 0);
  unw_follow_spare(&spare, &saving, kSp, 1);
  EXPECT_EQ(spare.frame, 0U);  // not that of the frame that wants it
}

// A frame pointer that nobody knows must not look like the end of the stack.
TEST_F(UnwindStep, goes_on_without_a_lost_frame_pointer_and_never_by_it) {
  put(kSp, {kCaller, kIp, 0});
  EXPECT_EQ(step(with_fp(rule_of(UNW_CFA_SP, 8), UNW_SAVED_LOST, 0)), UNW_STEPPED);
  EXPECT_EQ(step(rule_of(UNW_CFA_SP, 8)), UNW_STEPPED);
  expect_unchanged(unw_rule{}, UNW_NO_INFO);
  expect_unchanged(rule_of(UNW_CFA_FP, 16), UNW_NO_INFO);
}

TEST_F(UnwindStep, takes_the_frame_pointer_from_another_register) {
  put(kSp, {kCaller, kCaller, 0});
  EXPECT_EQ(step(with_fp(rule_of(UNW_CFA_SP, 8), UNW_SAVED_OTHER, 0), kCallerFp), UNW_STEPPED);
  EXPECT_EQ(now().fp, kCallerFp);
  EXPECT_EQ(step(with_fp(rule_of(UNW_CFA_SP, 8), UNW_SAVED_OTHER, 0)), UNW_STEPPED);
  EXPECT_EQ(now().fp, std::uint64_t{UNW_LOST_FP});
}

TEST_F(UnwindStep, says_when_memory_cannot_be_read) {
  expect_unchanged(rule_of(UNW_CFA_SP, 8), UNW_UNREADABLE);         // the return address
  expect_unchanged(rule_of(UNW_CFA_FP_DEREF, -8), UNW_UNREADABLE);  // the CFA
  put(kSp + 8, {kCaller, 0});
  expect_unchanged(with_fp(rule_of(UNW_CFA_SP, 16), UNW_SAVED_CFA, -64), UNW_UNREADABLE);
}

TEST_F(UnwindStep, reads_the_last_word_of_a_stack) {
  put(kSp - 8, {0, kCaller});  // nothing behind it
  EXPECT_EQ(step(rule_of(UNW_CFA_SP, 8)), UNW_STEPPED);
  EXPECT_EQ(now().ip, kCaller);
}

TEST_F(UnwindStep, ends_a_walk_that_does_not_go_upwards) {
  put(kSp - 0x10, {kCaller, kCaller, kCaller, kCaller});
  expect_unchanged(rule_of(UNW_CFA_SP, 0), UNW_NO_INFO);
  expect_unchanged(rule_of(UNW_CFA_SP, -8), UNW_NO_INFO);
  registers_.fp = kSp - 32;  // of some other use
  expect_unchanged(rule_of(UNW_CFA_FP, 16), UNW_NO_INFO);
}

TEST_F(UnwindStep, refuses_a_return_address_that_is_none) {
  for (const std::uint64_t word : {std::uint64_t{0xfff}, std::uint64_t{0xffffffff81000000}}) {
    put(kSp, {word, 0});
    expect_unchanged(rule_of(UNW_CFA_SP, 8), UNW_NO_INFO);
  }
}

TEST_F(UnwindStep, does_not_read_at_odd_addresses) {
  put(kSp, {kCaller, kCaller});
  registers_.sp = kSp + 4;
  expect_unchanged(rule_of(UNW_CFA_SP, 8), UNW_UNREADABLE);
}

TEST_F(UnwindStep, refuses_a_rule_of_an_unknown_kind) {
  unw_rule rule = rule_of(UNW_CFA_SP, 8);
  rule.cfa = 200;
  expect_unchanged(rule, UNW_NO_INFO);
}

// The index of the last row that is not above, by looking at each.
template <class T>
std::uint32_t last_not_above(const std::vector<T>& items, std::uint64_t key) {
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    found = items[i] <= key ? i : found;
  }
  return found;
}

TEST(UnwindSearch, finds_the_last_row_that_is_not_above) {
  unw_node node{};
  std::vector<std::uint16_t> offsets;
  for (std::uint32_t i = 0; i < UNW_ROWS_PER_LEAF; ++i) {
    // Uneven steps, then padding.
    offsets.push_back(static_cast<std::uint16_t>(i < 200 ? i * i + i : 200 * 200));
    node.rows[i].offset = offsets.back();
  }
  for (std::uint64_t key = 0; key < 0x10010; ++key) {
    ASSERT_EQ(unw_search_rows(node.rows, key), last_not_above(offsets, key)) << key;
  }
  EXPECT_EQ(unw_search_rows(node.rows, 0xffffffff), std::uint32_t{UNW_ROWS_PER_LEAF} - 1);
}

TEST(UnwindSearch, finds_the_last_branch_that_is_not_above) {
  unw_node node{};
  std::vector<std::uint32_t> keys;
  for (std::uint32_t i = 0; i < UNW_BRANCHES_PER_NODE; ++i) {
    keys.push_back(i * 0x2020202);  // the last is 0xfefefefe
    node.branches[i].first_key = keys.back();
  }
  for (const std::uint32_t first : keys) {
    for (const std::uint64_t key :
         {std::uint64_t{first}, std::uint64_t{first} + 1, std::uint64_t{first} + 0x2020201}) {
      ASSERT_EQ(unw_search_branches(node.branches, key), last_not_above(keys, key)) << key;
    }
  }
  EXPECT_EQ(unw_search_branches(node.branches, 0xffffffff),
            std::uint32_t{UNW_BRANCHES_PER_NODE} - 1);
}

}  // namespace
}  // namespace waggle
