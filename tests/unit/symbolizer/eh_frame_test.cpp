// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/eh_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/symbolizer/cfi_builder.h"
#include "tests/unit/symbolizer/readelf_frames.h"

namespace waggle {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

const std::string kEntry = "sp+8 ra=cfa-8";
const std::string kNone = "frame pointer";

CfiRows read_rows(const ElfSpec& spec) {
  const ElfFile file = make_elf(spec);
  auto info = CallFrameInfo::read(file);
  EXPECT_TRUE(info) << info.error().what;
  return info ? rows_of(*info) : CfiRows();
}

CfiRows read_rows(const CfiBuilder& builder) {
  return read_rows({.eh_frame = builder.bytes()});
}

// Of a function at the start of the code: the rows up to its end.
CfiRows rows_of_program(const ByteWriter& instructions, std::uint32_t size = 0x100) {
  CfiRows rows = read_rows(CfiBuilder().cie().fde(kCode, size, instructions));
  EXPECT_FALSE(rows.empty());
  EXPECT_EQ(rows.back(), std::pair(kCode + size, kNone));
  rows.pop_back();
  return rows;
}

// What the instructions at a function's start make of its rule.
std::string rule_of_program(const ByteWriter& instructions) {
  const CfiRows rows = rows_of_program(instructions);
  EXPECT_EQ(rows.size(), 1U);
  return rows.front().second;
}

Error error_of(const ElfSpec& spec) {
  const ElfFile file = make_elf(spec);
  const auto info = CallFrameInfo::read(file);
  EXPECT_FALSE(info);
  return info ? Error{} : info.error();
}

TEST(EhFrame, follows_a_function_from_prologue_to_epilogue) {
  EXPECT_THAT(rows_of_program(join(cfi::advance(1), cfi::def_cfa_offset(16), cfi::offset(kRbp, 2),
                                   cfi::advance(3), cfi::def_cfa_register(kRbp), cfi::advance(0x20),
                                   cfi::def_cfa(kRsp, 8), cfi::restore(kRbp))),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 1, "sp+16 fp=cfa-16 ra=cfa-8"),
                          Pair(kCode + 4, "fp+16 fp=cfa-16 ra=cfa-8"), Pair(kCode + 0x24, kEntry)));
}

TEST(EhFrame, advances_by_every_width_and_by_the_alignment_factor) {
  CfiBuilder::Cie cie;
  cie.code_alignment = 4;
  const ByteWriter instructions = join(
      cfi::advance(1), cfi::def_cfa_offset(16), ByteWriter{0x02, 2}, cfi::def_cfa_offset(24),
      ByteWriter{0x03, 0, 1}, cfi::def_cfa_offset(32), ByteWriter{0x04, 0, 2, 0, 0},
      cfi::def_cfa_offset(40), ByteWriter{0x1d, 1, 0, 0, 0, 0, 0, 0, 0}, cfi::def_cfa_offset(48));
  EXPECT_THAT(
      read_rows(CfiBuilder().cie(cie).fde(kCode, 0x1000, instructions)),
      ElementsAre(Pair(kCode, kEntry), Pair(kCode + 4, "sp+16 ra=cfa-8"),
                  Pair(kCode + 12, "sp+24 ra=cfa-8"), Pair(kCode + 12 + 0x400, "sp+32 ra=cfa-8"),
                  Pair(kCode + 12 + 0xc00, "sp+40 ra=cfa-8"),
                  Pair(kCode + 16 + 0xc00, "sp+48 ra=cfa-8"), Pair(kCode + 0x1000, kNone)));
}

TEST(EhFrame, takes_the_last_of_the_rows_at_one_address_and_none_behind_the_end) {
  EXPECT_THAT(
      rows_of_program(join(cfi::advance(4), cfi::def_cfa_offset(16), cfi::advance(0),
                           cfi::def_cfa_offset(24), cfi::advance(12), cfi::def_cfa_offset(32)),
                      16),
      ElementsAre(Pair(kCode, kEntry), Pair(kCode + 4, "sp+24 ra=cfa-8")));
}

TEST(EhFrame, sets_the_location_by_the_encoding_of_its_pointers) {
  CfiBuilder builder;
  builder.cie();
  // Start, size, augmentation length, the operation; then 4 bytes relative to themselves.
  const std::uint64_t operand = builder.next_fields_address() + 4 + 4 + 1 + 1;
  const ByteWriter instructions =
      join(ByteWriter{0x01}.put(static_cast<std::uint32_t>(kCode + 0x40 - operand)),
           cfi::def_cfa_offset(16));
  EXPECT_THAT(read_rows(builder.fde(kCode, 0x100, instructions)),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 0x40, "sp+16 ra=cfa-8"),
                          Pair(kCode + 0x100, kNone)));
}

TEST(EhFrame, remembers_and_restores_states_to_any_depth) {
  EXPECT_THAT(rows_of_program(join(cfi::remember(), cfi::advance(1), cfi::def_cfa_offset(16),
                                   cfi::offset(kRbp, 2), cfi::remember(), cfi::advance(1),
                                   cfi::def_cfa(kRbp, 24), cfi::undefined(kRip), cfi::advance(1),
                                   cfi::restore_state(), cfi::advance(1), cfi::restore_state())),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 1, "sp+16 fp=cfa-16 ra=cfa-8"),
                          Pair(kCode + 2, "end"), Pair(kCode + 3, "sp+16 fp=cfa-16 ra=cfa-8"),
                          Pair(kCode + 4, kEntry)));
  ByteWriter deep;
  for (unsigned i = 1; i <= 100; ++i) {
    deep.add(join(cfi::remember(), cfi::advance(1), cfi::def_cfa_offset(8 + 8 * i)));
  }
  for (unsigned i = 0; i < 100; ++i) {
    deep.add(join(cfi::advance(1), cfi::restore_state()));
  }
  const CfiRows rows = rows_of_program(deep);
  EXPECT_EQ(rows.size(), 201U);
  EXPECT_EQ(rows[100], std::pair(kCode + 100, std::string("sp+808 ra=cfa-8")));
  EXPECT_EQ(rows[200], std::pair(kCode + 200, kEntry));
}

TEST(EhFrame, gives_up_a_function_that_remembers_without_end_or_restores_nothing) {
  ByteWriter endless;
  for (unsigned i = 0; i < 1000; ++i) {
    endless.add(cfi::remember());
  }
  EXPECT_EQ(rule_of_program(endless), "unsupported");
  EXPECT_EQ(rule_of_program(cfi::restore_state()), "unsupported");
}

TEST(EhFrame, restores_a_register_to_the_rule_of_its_cie) {
  CfiBuilder::Cie cie;
  cie.instructions.add(cfi::offset(kRbp, 5));
  EXPECT_THAT(read_rows(CfiBuilder().cie(cie).fde(
                  kCode, 0x100,
                  join(cfi::same_value(kRbp), cfi::advance(1), cfi::restore(kRbp), cfi::advance(1),
                       cfi::undefined(kRbp), cfi::advance(1), ByteWriter{0x06, kRbp}))),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 1, "sp+8 fp=cfa-40 ra=cfa-8"),
                          Pair(kCode + 2, "sp+8 fp=lost ra=cfa-8"),
                          Pair(kCode + 3, "sp+8 fp=cfa-40 ra=cfa-8"), Pair(kCode + 0x100, kNone)));
}

TEST(EhFrame, understands_every_place_of_the_frame_pointer) {
  const auto with = [](const ByteWriter& instruction) { return rule_of_program(instruction); };
  EXPECT_EQ(with(cfi::offset(kRbp, 2)), "sp+8 fp=cfa-16 ra=cfa-8");
  EXPECT_EQ(with(ByteWriter{0x05, kRbp, 3}), "sp+8 fp=cfa-24 ra=cfa-8");     // offset_extended
  EXPECT_EQ(with(ByteWriter{0x11, kRbp, 0x7e}), "sp+8 fp=cfa+16 ra=cfa-8");  // ..._sf
  EXPECT_EQ(with(ByteWriter{0x2f, kRbp, 2}), "sp+8 fp=cfa+16 ra=cfa-8");     // GNU_negative_...
  EXPECT_EQ(with(cfi::in_register(kRbp, kR9)), "sp+8 fp=r9 ra=cfa-8");
  EXPECT_EQ(with(cfi::in_register(kRbp, kRsp)), "sp+8 fp=lost ra=cfa-8");
  EXPECT_EQ(with(cfi::expression(kRbp, op::breg(kRbp, 0))), "sp+8 fp=fp+0 ra=cfa-8");
  EXPECT_EQ(with(cfi::expression(kRbp, op::breg(kRsp, 120))), "sp+8 fp=sp+120 ra=cfa-8");
  EXPECT_EQ(with(cfi::expression(kRbp, op::breg(kRbx, 0))), "sp+8 fp=lost ra=cfa-8");
  EXPECT_EQ(with(cfi::val_offset(kRbp, 2)), "sp+8 fp=lost ra=cfa-8");
  EXPECT_EQ(with(cfi::val_expression(kRbp, op::breg(kRsp, 0))), "sp+8 fp=lost ra=cfa-8");
  EXPECT_EQ(with(ByteWriter{0x05, kRbp}.uleb(5000)), "sp+8 fp=lost ra=cfa-8");  // over 16 bits
}

TEST(EhFrame, understands_every_place_of_the_return_address) {
  EXPECT_EQ(rule_of_program(cfi::undefined(kRip)), "end");
  EXPECT_EQ(rule_of_program(join(cfi::def_cfa_offset(0), cfi::in_register(kRip, kRdx))),
            "sp+0 ra=r1");
  EXPECT_EQ(rule_of_program(cfi::expression(kRip, op::breg(kRsp, 168))), "sp+8 ra=sp+168");
  EXPECT_EQ(rule_of_program(cfi::same_value(kRip)), "unsupported");
  EXPECT_EQ(rule_of_program(cfi::val_offset(kRip, 1)), "unsupported");
  // longjmp: three registers in three places.
  EXPECT_EQ(rule_of_program(join(cfi::def_cfa(kRbx, 0), cfi::in_register(kRsp, kR9),
                                 cfi::in_register(kRip, kRdx))),
            "unsupported");
}

// As GCC describes the last instructions of _Unwind_RaiseException.
TEST(EhFrame, knows_that_a_landing_pad_is_no_return_address) {
  EXPECT_EQ(rule_of_program(cfi::def_cfa(kRcx, 8)), "r2+8 ra=cfa-8 signal");
  EXPECT_EQ(rule_of_program(join(cfi::def_cfa_offset(0), cfi::in_register(kRip, kRcx))),
            "sp+0 ra=r2 signal");
}

TEST(EhFrame, refuses_a_stack_pointer_that_is_not_the_cfa) {
  EXPECT_EQ(rule_of_program(cfi::val_offset(kRsp, 0)), kEntry);
  EXPECT_EQ(rule_of_program(cfi::val_offset(kRsp, 1)), "unsupported");
  EXPECT_EQ(rule_of_program(cfi::offset(kRsp, 3)), "unsupported");
  EXPECT_EQ(rule_of_program(cfi::in_register(kRsp, kR9)), "unsupported");
}

TEST(EhFrame, knows_the_cfa_from_another_register) {
  EXPECT_EQ(rule_of_program(cfi::def_cfa(kR10, 0)), "r10+0 ra=cfa-8");
  EXPECT_EQ(rule_of_program(ByteWriter{0x12, kR10, 0x7e}), "r10+16 ra=cfa-8");  // def_cfa_sf
  EXPECT_EQ(rule_of_program(ByteWriter{0x13, 0x7c}), "sp+32 ra=cfa-8");         // def_cfa_offset_sf
  // Two others are one too many.
  EXPECT_EQ(rule_of_program(join(cfi::def_cfa(kR10, 0), cfi::in_register(kRip, kRdx))),
            "unsupported");
  EXPECT_EQ(rule_of_program(join(cfi::def_cfa(kR10, 0), cfi::in_register(kRbp, kR9))),
            "r10+0 fp=lost ra=cfa-8");
}

TEST(EhFrame, says_where_rbx_is_where_it_is_asked_to) {
  const ElfFile file = make_elf(
      {.eh_frame = CfiBuilder()
                       .cie()
                       .fde(kCode, 0x100,
                            join(cfi::advance(1), cfi::def_cfa_offset(16), cfi::offset(kRbx, 2),
                                 cfi::advance(4), cfi::def_cfa_register(kRbx), cfi::advance(4),
                                 cfi::in_register(kRbx, kR9), cfi::advance(4),
                                 cfi::offset(kRbx, 255), cfi::advance(4), cfi::restore(kRbx)))
                       .bytes()});
  auto info = CallFrameInfo::read(file, {.follows_spare = true});
  ASSERT_TRUE(info);
  EXPECT_THAT(
      rows_of(*info),
      ElementsAre(Pair(kCode, "sp+8 ra=cfa-8 spare=kept"),
                  Pair(kCode + 1, "sp+16 ra=cfa-8 spare=cfa-16"),
                  Pair(kCode + 5, "r3+16 ra=cfa-8 spare=cfa-16"),
                  Pair(kCode + 9, "r3+16 ra=cfa-8"),   // nothing to say it with
                  Pair(kCode + 13, "r3+16 ra=cfa-8"),  // too far
                  Pair(kCode + 17, "r3+16 ra=cfa-8 spare=kept"), Pair(kCode + 0x100, kNone)));
}

TEST(EhFrame, keeps_cfa_offsets_of_32_bits) {
  EXPECT_EQ(rule_of_program(cfi::def_cfa_offset(0x7fffffff)), "sp+2147483647 ra=cfa-8");
  EXPECT_EQ(rule_of_program(cfi::def_cfa_offset(0x80000000)), "unsupported");
  EXPECT_EQ(rows_of_program(join(cfi::advance(1), cfi::def_cfa_offset(0x80000000))).back().second,
            "unsupported");
}

ByteWriter plt_expression(unsigned threshold) {
  return join(op::breg(kRsp, 8), op::breg(kRip, 0), op::lit(15), ByteWriter{0x1a},
              op::lit(threshold), ByteWriter{0x2a}, op::lit(3), ByteWriter{0x24}, op::plus());
}

TEST(EhFrame, understands_the_expressions_that_occur) {
  const auto with = [](const ByteWriter& e) { return rule_of_program(cfi::def_cfa_expression(e)); };
  EXPECT_EQ(with(plt_expression(11)), "sp+8 plt11 ra=cfa-8");
  EXPECT_EQ(with(plt_expression(10)), "sp+8 plt10 ra=cfa-8");
  EXPECT_EQ(with(join(op::breg(kRbp, -40), op::deref())), "[fp-40] ra=cfa-8");
  EXPECT_EQ(with(join(op::breg(kRsp, 40), op::deref(), op::plus_uconst(8))), "[sp+40]+8 ra=cfa-8");
  EXPECT_EQ(with(join(op::breg(kRsp, 8), op::breg(kR9, 0), op::lit(8), ByteWriter{0x1e}, op::plus(),
                      op::deref(), op::plus_uconst(8))),
            "[sp+8*r9+8]+8 ra=cfa-8");
  EXPECT_EQ(with(op::breg(kRsp, 24)), "sp+24 ra=cfa-8");
  // By bregx, const2u, minus and a nop.
  EXPECT_EQ(with(join(ByteWriter{0x92, kRbp, 16}, ByteWriter{0x0a, 4, 0}, ByteWriter{0x1c},
                      ByteWriter{0x96})),
            "fp+12 ra=cfa-8");
}

TEST(EhFrame, refuses_expressions_that_no_rule_can_say) {
  const auto with = [](const ByteWriter& e) { return rule_of_program(cfi::def_cfa_expression(e)); };
  EXPECT_EQ(with({}), "unsupported");
  EXPECT_EQ(with(op::deref()), "unsupported");
  EXPECT_EQ(with(op::lit(8)), "unsupported");
  EXPECT_EQ(with(join(op::breg(kRsp, 0), op::breg(kRsp, 0))), "unsupported");
  EXPECT_EQ(with(join(op::breg(kRsp, 0), op::deref(), op::deref())), "unsupported");
  EXPECT_EQ(with(join(op::breg(kRbx, 0), op::deref())), "unsupported");
  EXPECT_EQ(with({0xe0}), "unsupported");
  EXPECT_EQ(with({0x77}), "unsupported");  // without its operand
  EXPECT_EQ(with(join(op::breg(kRsp, 0), op::deref(), op::plus_uconst(40000))), "unsupported");
  ByteWriter many;
  for (int i = 0; i < 100; ++i) {
    many.add(op::breg(kRsp, 0));
  }
  EXPECT_EQ(with(many), "unsupported");
}

// As GCC's unwinder: see cfi_program.h.
TEST(EhFrame, keeps_an_expression_when_an_offset_is_set) {
  EXPECT_THAT(rows_of_program(join(cfi::def_cfa_expression(join(op::breg(kRbp, -8), op::deref())),
                                   cfi::advance(1), cfi::def_cfa_offset(32), cfi::advance(1),
                                   cfi::def_cfa_register(kRsp))),
              ElementsAre(Pair(kCode, "[fp-8] ra=cfa-8"), Pair(kCode + 1, "[fp-8] ra=cfa-8"),
                          Pair(kCode + 2, "sp+32 ra=cfa-8")));
}

TEST(EhFrame, skips_what_says_nothing_of_the_caller) {
  EXPECT_EQ(rule_of_program(join(ByteWriter{0x2e, 0x90, 1}, ByteWriter{0x2d}, ByteWriter{0, 0},
                                 cfi::offset(kRbx, 3))),
            kEntry);
}

TEST(EhFrame, gives_up_a_function_with_malformed_instructions_alone) {
  const ElfFile file = make_elf({.eh_frame = CfiBuilder()
                                                 .cie()
                                                 .fde(kCode, 0x100, {0x3f})          // no such one
                                                 .fde(kCode + 0x100, 0x100, {0x0c})  // cut
                                                 .fde(kCode + 0x200, 0x100)
                                                 .bytes()});
  auto info = CallFrameInfo::read(file);
  ASSERT_TRUE(info);
  EXPECT_THAT(rows_of(*info),
              ElementsAre(Pair(kCode, "unsupported"), Pair(kCode + 0x100, "unsupported"),
                          Pair(kCode + 0x200, kEntry), Pair(kCode + 0x300, kNone)));
  EXPECT_EQ(info->malformed_count(), 2U);
}

TEST(EhFrame, gives_up_a_function_whose_addresses_go_backwards_or_wrap) {
  CfiBuilder::Cie cie;
  cie.augmentation_data = {0x04};  // udata8
  const auto fde = [](const ByteWriter& instructions) {
    return ByteWriter{}.put(kCode).put(std::uint64_t{0x100}).u8({0}).add(instructions);
  };
  const ByteWriter backwards = join(ByteWriter{0x01}.put(kCode - 1), cfi::def_cfa_offset(16));
  EXPECT_THAT(read_rows(CfiBuilder().cie(cie).raw_fde(fde(backwards))),
              ElementsAre(Pair(kCode, "unsupported"), Pair(kCode + 0x100, kNone)));
  const ByteWriter wraps = join(ByteWriter{0x1d}.put(~std::uint64_t{0}), cfi::def_cfa_offset(16));
  EXPECT_THAT(read_rows(CfiBuilder().cie(cie).raw_fde(fde(wraps))),
              ElementsAre(Pair(kCode, "unsupported"), Pair(kCode + 0x100, kNone)));
}

// A function at kCode of 0x20 bytes by the encoding.
CfiRows rows_with_encoding(unsigned encoding, const ByteWriter& start, const ByteWriter& size,
                           std::vector<std::byte> got = {}) {
  CfiBuilder::Cie cie;
  cie.augmentation_data = ByteWriter{encoding};
  return read_rows(
      {.eh_frame = CfiBuilder().cie(cie).raw_fde(join(start, size, ByteWriter{0})).bytes(),
       .got = std::move(got)});
}

TEST(EhFrame, reads_every_pointer_encoding) {
  const auto is_function = ElementsAre(Pair(kCode, kEntry), Pair(kCode + 0x20, kNone));
  const auto raw = [](auto value) { return ByteWriter{}.put(value); };
  using U16 = std::uint16_t;
  using U32 = std::uint32_t;
  using U64 = std::uint64_t;
  EXPECT_THAT(rows_with_encoding(0x00, raw(U64{kCode}), raw(U64{0x20})), is_function);
  EXPECT_THAT(rows_with_encoding(0x01, ByteWriter{}.uleb(kCode), {0x20}), is_function);
  EXPECT_THAT(rows_with_encoding(0x02, raw(U16{kCode}), raw(U16{0x20})), is_function);
  EXPECT_THAT(rows_with_encoding(0x03, raw(U32{kCode}), raw(U32{0x20})), is_function);
  EXPECT_THAT(rows_with_encoding(0x04, raw(U64{kCode}), raw(U64{0x20})), is_function);
  EXPECT_THAT(rows_with_encoding(0x08, raw(U64{kCode}), raw(U64{0x20})), is_function);
  EXPECT_THAT(rows_with_encoding(0x09, ByteWriter{}.sleb(kCode), {0x20}), is_function);
  EXPECT_THAT(rows_with_encoding(0x0a, raw(U16{kCode}), raw(U16{0x20})), is_function);
  EXPECT_THAT(rows_with_encoding(0x0b, raw(U32{kCode}), raw(U32{0x20})), is_function);
  EXPECT_THAT(rows_with_encoding(0x0c, raw(U64{kCode}), raw(U64{0x20})), is_function);
  CfiBuilder probe;
  const U64 here = probe.cie().next_fields_address();
  EXPECT_THAT(rows_with_encoding(0x1b, raw(static_cast<U32>(kCode - here)), raw(U32{0x20})),
              is_function);
  EXPECT_THAT(rows_with_encoding(0x10, raw(U64{kCode - here}), raw(U64{0x20})), is_function);
  // Relative to .got; the word there is the address itself when it is indirect.
  const std::vector<std::byte> got = raw(U64{kCode}).bytes();
  EXPECT_THAT(rows_with_encoding(0x3b, raw(static_cast<U32>(kCode - kGot)), raw(U32{0x20}), got),
              is_function);
  EXPECT_THAT(rows_with_encoding(0x84, raw(U64{kGot}), raw(U64{0x20}), got), is_function);
  // Relative to .text, which this file does not have.
  EXPECT_THAT(rows_with_encoding(0x23, raw(U32{kCode}), raw(U32{0x20})), is_function);
}

TEST(EhFrame, reads_an_aligned_pointer) {
  CfiBuilder::Cie cie;
  cie.augmentation_data = {0x50};
  CfiBuilder builder;
  builder.cie(cie);
  const std::uint64_t here = builder.next_fields_address();
  ByteWriter fields;
  for (std::uint64_t at = here; at % 8 != 0; ++at) {
    fields.u8({0xee});
  }
  fields.put(kCode).put(std::uint64_t{0x20}).u8({0});
  EXPECT_THAT(read_rows(builder.raw_fde(fields)),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 0x20, kNone)));
}

TEST(EhFrame, counts_functions_whose_pointers_cannot_be_read) {
  for (const unsigned encoding : {0x05U, 0x43U, 0xffU, 0x84U}) {
    CfiBuilder::Cie cie;
    cie.augmentation_data = ByteWriter{encoding};
    CfiBuilder builder;
    builder.cie(cie).raw_fde(ByteWriter{}.put(std::uint64_t{1}).put(std::uint64_t{1}).u8({0}));
    builder.cie().fde(kCode, 0x20);
    const ElfFile file = make_elf({.eh_frame = builder.bytes()});
    auto info = CallFrameInfo::read(file);
    ASSERT_TRUE(info) << encoding;
    EXPECT_EQ(info->malformed_count(), 1U) << encoding;
    EXPECT_EQ(info->function_count(), 1U) << encoding;
  }
}

// A function with the CIE's encoding "absptr".
std::string rule_with_cie(const CfiBuilder::Cie& cie) {
  ByteWriter fields = ByteWriter{}.put(kCode).put(std::uint64_t{0x20});
  if (cie.augmentation.starts_with('z')) {
    fields.u8({0});
  }
  CfiBuilder builder;
  builder.cie(cie).raw_fde(fields);
  builder.cie().fde(kCode + 0x20, 0x20);  // so that there is one in any case
  return read_rows(builder).front().second;
}

TEST(EhFrame, reads_every_augmentation) {
  const auto with = [](std::string letters, ByteWriter data) {
    CfiBuilder::Cie cie;
    cie.augmentation = std::move(letters);
    cie.augmentation_data = std::move(data);
    return rule_with_cie(cie);
  };
  EXPECT_EQ(with("", {}), kEntry);
  EXPECT_EQ(with("eh", {}), kEntry);
  EXPECT_EQ(with("z", {}), kEntry);
  EXPECT_EQ(with("zR", {0x00}), kEntry);
  EXPECT_EQ(with("zRS", {0x00}), kEntry + " signal");
  EXPECT_EQ(with("zPLR", ByteWriter{0x9b, 1, 2, 3, 4, 0x1b, 0x00}), kEntry);
  EXPECT_EQ(with("zRB", {0x00}), kEntry);
  EXPECT_EQ(with("zRx", {0x00, 1, 2, 3}), kEntry);  // what is unknown has its length
  EXPECT_EQ(with("zP", {0xff}), kEntry);
  EXPECT_EQ(with("zPR", {0x05, 0x00}), kNone);  // a pointer of unknown size
  EXPECT_EQ(with("armcc+", {}), kNone);         // without a length nothing is known
}

TEST(EhFrame, reads_versions_1_3_and_4_of_a_cie) {
  CfiBuilder::Cie cie;
  cie.augmentation_data = {0x00};
  for (const std::uint8_t version : {std::uint8_t{1}, std::uint8_t{3}, std::uint8_t{4}}) {
    cie.version = version;
    EXPECT_EQ(rule_with_cie(cie), kEntry) << unsigned{version};
  }
  cie.version = 5;
  EXPECT_EQ(rule_with_cie(cie), kNone);
}

TEST(EhFrame, knows_signal_trampolines) {
  CfiBuilder::Cie cie;
  cie.augmentation = "zRS";
  const ByteWriter instructions =
      join(cfi::def_cfa_expression(join(op::breg(kRsp, 160), op::deref())),
           cfi::expression(kRbp, op::breg(kRsp, 120)), cfi::expression(kRsp, op::breg(kRsp, 160)),
           cfi::expression(kRip, op::breg(kRsp, 168)));
  EXPECT_THAT(
      read_rows(CfiBuilder().cie(cie).fde(kCode, 0x20, instructions)),
      ElementsAre(Pair(kCode, "[sp+160] fp=sp+120 ra=sp+168 signal"), Pair(kCode + 0x20, kNone)));
}

TEST(EhFrame, reads_records_of_64_bits) {
  EXPECT_THAT(read_rows(CfiBuilder(true, true).cie().fde(kCode, 0x20)),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 0x20, kNone)));
  EXPECT_THAT(read_rows({.debug_frame = CfiBuilder(false, true).cie().fde(kCode, 0x20).bytes()}),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 0x20, kNone)));
}

TEST(EhFrame, goes_on_after_a_terminator_in_a_section) {
  EXPECT_THAT(
      read_rows(CfiBuilder()
                    .cie()
                    .fde(kCode, 0x20)
                    .terminator()
                    .cie()
                    .fde(kCode + 0x20, 0x20, cfi::undefined(kRip))),
      ElementsAre(Pair(kCode, kEntry), Pair(kCode + 0x20, "end"), Pair(kCode + 0x40, kNone)));
}

TEST(EhFrame, finds_its_bytes_without_section_headers_and_ends_at_the_terminator) {
  ElfSpec spec;
  spec.has_sections = false;
  spec.eh_frame = CfiBuilder()
                      .cie()
                      .fde(kCode, 0x20)
                      .terminator()
                      .add({0xff, 0xff, 0xff, 0x7f})  // something else
                      .bytes();
  // Version, encodings, .eh_frame relative to this word; no search table.
  spec.eh_frame_hdr = ByteWriter{1, 0x1b, 0xff, 0xff}
                          .put(static_cast<std::uint32_t>(kEhFrame - kEhFrameHeader - 4))
                          .bytes();
  EXPECT_THAT(read_rows(spec), ElementsAre(Pair(kCode, kEntry), Pair(kCode + 0x20, kNone)));
  spec.eh_frame_hdr = ByteWriter{2, 0x1b, 0xff, 0xff, 0, 0, 0, 0}.bytes();
  EXPECT_EQ(error_of(spec).code, Errc::malformed);
}

TEST(EhFrame, reads_a_debug_frame_whose_cie_comes_last) {
  CfiBuilder cie_only(false);
  cie_only.cie();
  CfiBuilder builder(false);
  const ByteWriter fields = ByteWriter{}.put(kCode).put(std::uint64_t{0x20});
  builder.raw_fde_of(8 + fields.size(), fields).add(ByteWriter{});
  for (const std::byte value : cie_only.bytes()) {
    builder.add(ByteWriter{}.put(value));
  }
  EXPECT_THAT(read_rows({.debug_frame = builder.bytes()}),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 0x20, kNone)));
}

TEST(EhFrame, inflates_a_debug_frame) {
  const std::vector<std::byte> plain = CfiBuilder(false).cie().fde(kCode, 0x20).bytes();
  uLongf size = ::compressBound(plain.size());
  std::vector<std::byte> packed(size);
  ASSERT_EQ(::compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                       reinterpret_cast<const Bytef*>(plain.data()), plain.size()),
            Z_OK);
  packed.resize(size);
  ByteWriter section;
  section.put(Elf64_Chdr{ELFCOMPRESS_ZLIB, 0, plain.size(), 1});
  for (const std::byte value : packed) {
    section.put(value);
  }
  EXPECT_THAT(read_rows({.debug_frame = section.bytes(), .debug_frame_flags = SHF_COMPRESSED}),
              ElementsAre(Pair(kCode, kEntry), Pair(kCode + 0x20, kNone)));
}

TEST(EhFrame, takes_from_debug_frame_what_eh_frame_does_not_say) {
  const auto entry = [](unsigned offset) { return cfi::def_cfa_offset(offset); };
  EXPECT_THAT(
      read_rows({.eh_frame = CfiBuilder().cie().fde(kCode + 0x100, 0x100, entry(16)).bytes(),
                 .debug_frame = CfiBuilder(false)
                                    .cie()
                                    .fde(kCode, 0x100, entry(24))
                                    .fde(kCode + 0x100, 0x100, entry(32))
                                    .fde(kCode + 0x180, 0x100, entry(40))
                                    .fde(kCode + 0x200, 0x100, entry(48))
                                    .bytes()}),
      ElementsAre(Pair(kCode, "sp+24 ra=cfa-8"), Pair(kCode + 0x100, "sp+16 ra=cfa-8"),
                  Pair(kCode + 0x200, "sp+48 ra=cfa-8"), Pair(kCode + 0x300, kNone)));
}

TEST(EhFrame, sorts_functions_and_ends_one_where_the_next_begins) {
  const auto entry = [](unsigned offset) { return cfi::def_cfa_offset(offset); };
  EXPECT_THAT(read_rows(CfiBuilder()
                            .cie()
                            .fde(kCode + 0x80, 0x80, entry(16))
                            .fde(kCode, 0x100,
                                 join(entry(24), cfi::advance(0x3f), cfi::advance(0x3f),
                                      cfi::advance(0x3f), entry(32)))
                            .fde(kCode + 0x80, 0x40, entry(40))  // the first of its start counts
                            .fde(kCode + 0x40, 0)),              // nothing
              ElementsAre(Pair(kCode, "sp+24 ra=cfa-8"), Pair(kCode + 0x80, "sp+16 ra=cfa-8"),
                          Pair(kCode + 0x100, kNone)));
}

TEST(EhFrame, says_frame_pointer_between_functions_but_not_in_their_padding) {
  EXPECT_THAT(read_rows(CfiBuilder()
                            .cie()
                            .fde(kCode + 0x10, 0x11)
                            .fde(kCode + 0x30, 0x10)
                            .fde(kCode + 0x50, 0x10)),
              ElementsAre(Pair(kCode, kNone), Pair(kCode + 0x10, kEntry),
                          Pair(kCode + 0x30, kEntry), Pair(kCode + 0x40, kNone),
                          Pair(kCode + 0x50, kEntry), Pair(kCode + 0x60, kNone)));
}

TEST(EhFrame, drops_functions_outside_of_the_code) {
  const ElfFile file =
      make_elf({.eh_frame = CfiBuilder()
                                .cie()
                                .fde(kCode + kCodeBytes, 0x20)
                                .fde(kCode - 1, 0x20)
                                .fde(kCode + kCodeBytes - 0x10, 0x20)  // cut to the code
                                .bytes()});
  auto info = CallFrameInfo::read(file);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->outside_count(), 2U);
  EXPECT_THAT(rows_of(*info),
              ElementsAre(Pair(kCode, kNone), Pair(kCode + kCodeBytes - 0x10, kEntry),
                          Pair(kCode + kCodeBytes, kNone)));
}

TEST(EhFrame, follows_the_link_register_of_aarch64) {
  CfiBuilder::Cie cie;
  cie.code_alignment = 4;
  cie.return_register = 30;
  cie.instructions = cfi::def_cfa(31, 0);
  CfiBuilder builder;
  builder.cie(cie).fde(kCode, 0x40,
                       join(ByteWriter{0x2d}, cfi::advance(1), cfi::def_cfa_offset(32),
                            cfi::offset(29, 4), cfi::offset(30, 3)));
  EXPECT_THAT(read_rows({.eh_frame = builder.bytes(), .machine = EM_AARCH64}),
              ElementsAre(Pair(kCode, "sp+0 ra=r30"), Pair(kCode + 4, "sp+32 fp=cfa-32 ra=cfa-24"),
                          Pair(kCode + 0x40, kNone)));
}

TEST(EhFrame, refuses_files_without_call_frames_or_of_another_kind) {
  const std::vector<std::byte> good = CfiBuilder().cie().fde(kCode, 0x20).bytes();
  EXPECT_EQ(error_of({}).code, Errc::not_found);
  EXPECT_EQ(error_of({.eh_frame = good, .machine = EM_RISCV}).code, Errc::unsupported);
  EXPECT_EQ(error_of({.eh_frame = good, .type = ET_REL}).code, Errc::unsupported);
  EXPECT_EQ(error_of({.eh_frame = good, .code_bytes = 0}).code, Errc::not_found);
  EXPECT_EQ(error_of({.eh_frame = good, .code_bytes = std::uint64_t{1} << 32}).code,
            Errc::unsupported);
}

TEST(EhFrame, refuses_a_section_whose_records_pass_its_end) {
  const Error error = error_of(
      {.eh_frame = CfiBuilder().cie().fde(kCode, 0x20).add({0x40, 0, 0, 0, 1, 0, 0, 0}).bytes()});
  EXPECT_EQ(error.code, Errc::malformed);
  EXPECT_THAT(error.what, HasSubstr(".eh_frame: the record at 0x"));
  EXPECT_EQ(error_of({.eh_frame = ByteWriter{2, 0, 0, 0, 1, 1}.bytes()}).code, Errc::malformed);
  EXPECT_EQ(error_of({.eh_frame = ByteWriter{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                             0xff, 0xff, 0xff, 0, 0, 0, 0}
                                      .bytes()})
                .code,
            Errc::malformed);
}

TEST(EhFrame, counts_functions_whose_cie_is_none) {
  CfiBuilder builder;
  builder.cie().fde(kCode, 0x20);
  const std::size_t no_cie = builder.size() - 8;
  builder.raw_fde_of(no_cie, ByteWriter{}.put(std::uint64_t{0}));
  builder.raw_fde_of(std::size_t{1} << 30, ByteWriter{}.put(std::uint64_t{0}));
  builder.raw_fde(ByteWriter{1});  // too short
  const ElfFile file = make_elf({.eh_frame = builder.bytes()});
  auto info = CallFrameInfo::read(file);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->malformed_count(), 3U);
  EXPECT_EQ(info->function_count(), 1U);
}

TEST(EhFrame, counts_a_first_function_whose_cie_would_lie_before_the_section) {
  CfiBuilder builder;
  builder.raw_fde_of(~std::size_t{0}, ByteWriter{}.put(std::uint64_t{0}));
  builder.cie().fde(kCode, 0x20);
  const ElfFile file = make_elf({.eh_frame = builder.bytes()});
  auto info = CallFrameInfo::read(file);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->malformed_count(), 1U);
  EXPECT_EQ(info->function_count(), 1U);
}

// Else a file of a megabyte could ask for a terabyte of instructions.
TEST(EhFrame, refuses_cies_that_overlap) {
  // Each word of the CIE's instructions begins another CIE, that goes on to the same end.
  constexpr std::uint32_t kBytes = 4096;
  constexpr std::uint32_t kStep = 16;
  ByteWriter section;
  for (std::uint32_t at = 0; at < kBytes; at += kStep) {
    section.put(std::uint32_t{kBytes - at - 4})
        .put(std::uint32_t{0})
        .u8({1, 0, 1, 0x78, 16, 0, 0, 0});
  }
  CfiBuilder builder;
  builder.add(section);
  for (std::uint32_t at = 0; at < kBytes; at += kStep) {
    builder.raw_fde_of(at, ByteWriter{}.put(kCode + at).put(std::uint64_t{kStep}));
  }
  const Error error = error_of({.eh_frame = builder.bytes()});
  EXPECT_EQ(error.code, Errc::malformed);
  EXPECT_THAT(error.what, HasSubstr("overlap"));
}

// LLVM's linker writes no call frame information for these.
TEST(EhFrame, knows_plt_entries_that_no_function_covers) {
  ElfSpec spec;
  spec.eh_frame = CfiBuilder().cie().fde(kCode, 0x20).bytes();
  const auto rows_of_plt = [&](const ByteWriter& first, const ByteWriter& second) {
    spec.plt = first.bytes();
    spec.plt.resize(16);
    spec.plt.insert(spec.plt.end(), second.bytes().begin(), second.bytes().end());
    spec.plt.resize(64);
    CfiRows rows = read_rows(spec);
    rows.erase(rows.begin(), rows.begin() + 2);  // the function, the gap behind it
    return rows;
  };
  const ByteWriter push = {0xff, 0x35};
  const ByteWriter jump = {0xff, 0x25};
  const ByteWriter endbr = {0xf3, 0x0f, 0x1e, 0xfa};
  EXPECT_THAT(rows_of_plt(push, jump),
              ElementsAre(Pair(kPlt, "sp+16 ra=cfa-8"), Pair(kPlt + 6, "sp+24 ra=cfa-8"),
                          Pair(kPlt + 16, "sp+8 plt11 ra=cfa-8"), Pair(kPlt + 64, kNone)));
  EXPECT_THAT(rows_of_plt(push, endbr),
              ElementsAre(Pair(kPlt, "sp+16 ra=cfa-8"), Pair(kPlt + 6, "sp+24 ra=cfa-8"),
                          Pair(kPlt + 16, "sp+8 plt9 ra=cfa-8"), Pair(kPlt + 64, kNone)));
  EXPECT_THAT(rows_of_plt(jump, jump), ElementsAre(Pair(kPlt, kEntry), Pair(kPlt + 64, kNone)));
  EXPECT_THAT(rows_of_plt(endbr, jump), ElementsAre(Pair(kPlt, kEntry), Pair(kPlt + 64, kNone)));
  EXPECT_THAT(rows_of_plt({0x90}, {0x90}), ElementsAre());  // something else

  // What is covered stays.
  spec.eh_frame =
      CfiBuilder().cie().fde(kCode, 0x20).fde(kPlt, 64, cfi::def_cfa_offset(72)).bytes();
  EXPECT_THAT(rows_of_plt(push, jump),
              ElementsAre(Pair(kPlt, "sp+72 ra=cfa-8"), Pair(kPlt + 64, kNone)));
}

void expect_agreement(const std::string& path, std::size_t at_least) {
  const ElfFile file = open_elf(path);
  const FrameComparison result = FrameComparer().compare(file, read_readelf_frames(path));
  EXPECT_GE(result.rows, at_least) << path;
  EXPECT_LE(result.unsupported, 4U) << path;  // longjmp and setcontext of libc
  for (const std::string& text : result.mismatches) {
    ADD_FAILURE() << path << " " << text;
  }
}

TEST(EhFrameAgainstReadelf, agrees_on_every_kind_of_program_we_build) {
  for (const char* name : {"sample_pie", "sample_no_pie", "sample_stripped", "sample_debug_frame",
                           "sample_debug_frame_compressed", "sample_realigned"}) {
    expect_agreement(fixture(name), 10);
  }
  expect_agreement(fixture("sample_static"), 5000);
  expect_agreement(fixture("sample_static_pie"), 5000);
}

TEST(EhFrameAgainstReadelf, agrees_on_the_c_library_and_the_loader) {
  for (const char* name : {"libc.so.6", "ld-linux-x86-64.so.2", "libm.so.6"}) {
    const std::string path = output_of("ldd /usr/bin/python3 | grep -o '/[^ ]*" +
                                       std::string(name) + "' | head -n 1 | tr -d '\\n'");
    ASSERT_FALSE(path.empty()) << name;
    expect_agreement(path, 1000);
  }
}

TEST(EhFrameAgainstReadelf, agrees_on_programs_and_libraries_of_the_system) {
  std::size_t found = 0;
  for (const char* path :
       {"/usr/bin/python3", "/usr/bin/bash", "/usr/bin/openssl", "/usr/bin/git", "/usr/bin/perl",
        "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"}) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) {
      expect_agreement(path, 1000);
      ++found;
    }
  }
  EXPECT_GT(found, 0U);
}

TEST(EhFrameAgainstReadelf, agrees_on_this_program) {
  expect_agreement(std::filesystem::read_symlink("/proc/self/exe").string(), 10'000);
}

// The same rows with and without section headers.
TEST(EhFrameAgainstReadelf, needs_no_section_headers) {
  const ElfFile with = open_elf(fixture("sample_rdynamic"));
  const ElfFile without = open_elf(fixture("sample_no_sections"));
  ASSERT_FALSE(with.sections().empty());
  ASSERT_TRUE(without.sections().empty());
  auto info_with = CallFrameInfo::read(with);
  auto info_without = CallFrameInfo::read(without);
  ASSERT_TRUE(info_with && info_without);
  EXPECT_EQ(rows_of(*info_with), rows_of(*info_without));
}

TEST(EhFrameAgainstReadelf, reads_the_same_from_a_compressed_section) {
  const ElfFile plain = open_elf(fixture("sample_debug_frame"));
  const ElfFile packed = open_elf(fixture("sample_debug_frame_compressed"));
  auto info_plain = CallFrameInfo::read(plain);
  auto info_packed = CallFrameInfo::read(packed);
  ASSERT_TRUE(info_plain && info_packed);
  ASSERT_NE(packed.find_section(".debug_frame"), nullptr);
  EXPECT_NE(packed.find_section(".debug_frame")->flags & SHF_COMPRESSED, 0U);
  EXPECT_EQ(rows_of(*info_plain), rows_of(*info_packed));
}

}  // namespace
}  // namespace waggle
