// SPDX-License-Identifier: Apache-2.0
// Steps over hand-made interpreters.  tests/e2e/python takes those of running ones.
#include "bpf/lib/python_step.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>

namespace {

// Words by address; what is not there cannot be read.
std::map<std::uint64_t, std::uint64_t>& memory() {
  static std::map<std::uint64_t, std::uint64_t> words;
  return words;
}

std::array<std::uint64_t, 2> opened{};

bool is_there(std::uint64_t address, std::uint64_t size) {
  for (std::uint64_t at = address; at < address + size; at += sizeof(std::uint64_t)) {
    if (!memory().contains(at)) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct py_memory {};

static inline int py_open(py_memory*, __u32 window, __u64 address, __u32 size) {
  EXPECT_LE(size, static_cast<__u32>(PY_OBJECT_BYTES));
  opened.at(window) = address;
  return is_there(address, size) ? 0 : -1;
}

static inline __u64 py_word(py_memory*, __u32 window, __u32 offset) {
  EXPECT_EQ(offset % sizeof(__u64), 0U);
  return memory().at(opened.at(window) + offset);
}

static inline int py_read(py_memory*, __u64 address, __u64* word) {
  if (address % sizeof(__u64) != 0 || !is_there(address, sizeof(__u64))) {
    return -1;
  }
  *word = memory().at(address);
  return 0;
}

namespace waggle {
namespace {

constexpr std::uint64_t kFrame = 0x7f0000001000;
constexpr std::uint64_t kCaller = 0x7f0000002000;
constexpr std::uint64_t kCode = 0x7f0000100000;
constexpr std::uint64_t kThread = 0x7f0000200000;
constexpr std::uint64_t kInterpreter = 0x7f0000300000;
constexpr std::uint64_t kString = 0x7f0000400000;

// Small numbers: {previous, code, instruction, mark and bytecode} in a frame.
py_layout layout_of(py_form form) {
  py_layout layout{};
  layout.form = static_cast<__u8>(form);
  layout.frame_bytes = 32;
  layout.frame_previous = 0;
  layout.frame_code = 8;
  layout.frame_instruction = 16;
  layout.frame_mark = form == PY_FORM_OBJECTS ? PY_NONE : 26;
  layout.frame_mark_at_least = form == PY_FORM_SHIM_FRAMES ? 3 : 1;
  layout.frame_bytecode = PY_NONE;
  layout.interpreter_next = 0;
  layout.interpreter_threads = 8;
  layout.thread_bytes = 40;
  layout.thread_previous = 0;
  layout.thread_next = 8;
  layout.thread_interpreter = 16;
  layout.thread_id = 24;
  layout.thread_status = 36;
  layout.thread_attached = 1U << 4;
  layout.thread_frame = 32;
  layout.cframe_current = PY_NONE;
  layout.code_bytes = 40;
  layout.object_type = 0;
  layout.code_filename = 8;
  layout.code_name = 16;
  layout.code_qualname = PY_NONE;
  layout.code_first_line = 28;
  layout.code_version = 36;
  layout.code_instructions = 40;
  layout.strings = PY_STRINGS_UNICODE;
  layout.string_length = 0;
  layout.string_hash = 8;
  layout.string_state = 16;
  layout.string_data = 24;
  layout.string_wide_data = 40;
  layout.string_kind_shift = 2;
  return layout;
}

class PythonStep : public ::testing::Test {
 protected:
  void SetUp() override { memory().clear(); }

  static void put(std::uint64_t address, std::initializer_list<std::uint64_t> words) {
    for (const std::uint64_t word : words) {
      memory()[address] = word;
      address += sizeof(word);
    }
  }
  py_outcome step(py_form form, std::uint64_t frame) {
    const py_layout layout = layout_of(form);
    return py_step(nullptr, &layout, frame, &found_);
  }

  py_frame found_{};
};

TEST_F(PythonStep, takes_each_frame_object_for_an_evaluation) {
  put(kFrame, {kCaller, kCode, 0xffff'ffff'0000'0010, 0});
  EXPECT_EQ(step(PY_FORM_OBJECTS, kFrame), PY_ENTRY);
  EXPECT_EQ(found_.code, kCode);
  EXPECT_EQ(found_.next, kCaller);
  EXPECT_EQ(found_.instruction, 0x10U);  // 32 bits alone
}

TEST_F(PythonStep, goes_on_to_native_frames_at_an_entry_frame) {
  put(kFrame, {kCaller, kCode, kCode + 60, 0});
  EXPECT_EQ(step(PY_FORM_ENTRY_FRAMES, kFrame), PY_CALL);
  put(kFrame, {kCaller, kCode, kCode + 60, 0x1'0000});
  EXPECT_EQ(step(PY_FORM_ENTRY_FRAMES, kFrame), PY_ENTRY);
  EXPECT_EQ(found_.code, kCode);
}

TEST_F(PythonStep, shows_nothing_of_a_shim) {
  for (const std::uint64_t owner : {0, 1, 2}) {
    put(kFrame, {kCaller, kCode, kCode + 60, owner << 16});
    EXPECT_EQ(step(PY_FORM_SHIM_FRAMES, kFrame), PY_CALL) << owner;
  }
  for (const std::uint64_t owner : {3, 4}) {
    put(kFrame, {kCaller, 0, 0, owner << 16});
    EXPECT_EQ(step(PY_FORM_SHIM_FRAMES, kFrame), PY_SHIM) << owner;
    EXPECT_EQ(found_.next, kCaller);
  }
}

TEST_F(PythonStep, cuts_the_tags_of_a_stack_reference_off) {
  put(kFrame, {kCaller, kCode | 1, kCode + 60, 0});
  EXPECT_EQ(step(PY_FORM_SHIM_FRAMES, kFrame), PY_CALL);
  EXPECT_EQ(found_.code, kCode);
}

TEST_F(PythonStep, ends_at_no_frame_and_at_memory_that_cannot_be_read) {
  EXPECT_EQ(step(PY_FORM_SHIM_FRAMES, 0), PY_END);
  EXPECT_EQ(step(PY_FORM_SHIM_FRAMES, kFrame), PY_UNREADABLE);
  EXPECT_EQ(step(PY_FORM_SHIM_FRAMES, 8), PY_UNREADABLE);
  EXPECT_EQ(step(PY_FORM_SHIM_FRAMES, ~std::uint64_t{0} - 7), PY_UNREADABLE);
}

TEST_F(PythonStep, tells_where_the_bytecode_stands) {
  py_layout layout = layout_of(PY_FORM_OBJECTS);
  py_frame frame{.code = kCode, .instruction = 6, .next = 0, .bytecode = 0};
  EXPECT_EQ(py_position(nullptr, &layout, kCode, &frame), 6);
  layout.lasti_shift = 1;
  EXPECT_EQ(py_position(nullptr, &layout, kCode, &frame), 12);
  frame.instruction = 0xffffffff;
  EXPECT_EQ(py_position(nullptr, &layout, kCode, &frame), -1);

  layout = layout_of(PY_FORM_SHIM_FRAMES);
  frame.instruction = kCode + 40 + 8;
  EXPECT_EQ(py_position(nullptr, &layout, kCode, &frame), 8);
  frame.instruction = kCode + 38;  // before the first
  EXPECT_EQ(py_position(nullptr, &layout, kCode, &frame), -1);
}

TEST_F(PythonStep, tells_it_in_the_copy_of_the_bytecode_that_runs) {
  py_layout layout = layout_of(PY_FORM_SHIM_FRAMES);
  layout.frame_bytecode = 28;
  layout.code_bytecodes = 48;
  constexpr std::uint64_t kCopies = 0x7f0000500000;
  constexpr std::uint64_t kCopy = 0x7f0000600000;
  put(kCode + 48, {kCopies});
  put(kCopies, {3, kCode + 40, kCopy, kCopy + 0x100});
  put(kFrame, {kCaller, kCode, kCopy + 10, std::uint64_t{1} << 32});
  ASSERT_EQ(py_step(nullptr, &layout, kFrame, &found_), PY_CALL);
  EXPECT_EQ(found_.bytecode, 1U);
  EXPECT_EQ(py_position(nullptr, &layout, kCode, &found_), 10);
}

TEST_F(PythonStep, finds_the_innermost_frame_by_way_of_a_cframe_or_without) {
  py_layout layout = layout_of(PY_FORM_SHIM_FRAMES);
  put(kThread + 32, {kFrame});
  __u64 frame = 0;
  __u64 cframe = 0;
  EXPECT_EQ(py_innermost_frame(nullptr, &layout, kThread, &cframe, &frame), 0);
  EXPECT_EQ(frame, kFrame);
  layout.cframe_current = 8;
  EXPECT_NE(py_innermost_frame(nullptr, &layout, kThread, &cframe, &frame), 0);
  put(kFrame + 8, {kCaller});
  EXPECT_EQ(py_innermost_frame(nullptr, &layout, kThread, &cframe, &frame), 0);
  EXPECT_EQ(frame, kCaller);
  EXPECT_EQ(cframe, kFrame);
  put(kThread + 32, {0});
  EXPECT_EQ(py_innermost_frame(nullptr, &layout, kThread, &cframe, &frame), 0);
  EXPECT_EQ(frame, 0U);
}

TEST_F(PythonStep, trusts_a_thread_state_only_while_it_is_in_the_list) {
  const py_layout layout = layout_of(PY_FORM_SHIM_FRAMES);
  constexpr std::uint64_t kBefore = kThread + 0x1000;
  constexpr std::uint64_t kAttached = std::uint64_t{1} << 36;
  put(kThread, {0, 0, kInterpreter, 0x7777, kAttached});
  put(kInterpreter + 8, {kThread});
  py_thread thread{};
  ASSERT_EQ(py_read_thread(nullptr, &layout, kThread, &thread), 0);
  EXPECT_EQ(thread.id, 0x7777U);
  EXPECT_EQ(thread.is_attached, 1U);
  EXPECT_TRUE(py_is_linked(nullptr, &layout, kThread, &thread));
  put(kInterpreter + 8, {kBefore});  // another took its place
  EXPECT_FALSE(py_is_linked(nullptr, &layout, kThread, &thread));

  put(kThread, {kBefore, 0, kInterpreter, 0x7777, 0});
  put(kBefore + 8, {kThread});
  ASSERT_EQ(py_read_thread(nullptr, &layout, kThread, &thread), 0);
  EXPECT_EQ(thread.is_attached, 0U);
  EXPECT_TRUE(py_is_linked(nullptr, &layout, kThread, &thread));
  put(kBefore + 8, {0});
  EXPECT_FALSE(py_is_linked(nullptr, &layout, kThread, &thread));
}

TEST_F(PythonStep, knows_code_objects_at_one_address_apart) {
  py_layout layout = layout_of(PY_FORM_SHIM_FRAMES);
  constexpr std::uint64_t kType = 0x1000'0000;
  put(kCode, {kType, kString + 0x100, kString, std::uint64_t{12} << 32, std::uint64_t{7} << 32});
  put(kString, {1, 0xabc, 0, 0});
  py_code code{};
  ASSERT_EQ(py_read_code(nullptr, &layout, kCode, &code), 0);
  EXPECT_EQ(code.first_line, 12U);
  EXPECT_EQ(code.name, kString);
  EXPECT_EQ(code.filename, kString + 0x100);
  EXPECT_EQ(code.unique, 7U);
  layout.code_version = PY_NONE;
  ASSERT_EQ(py_read_code(nullptr, &layout, kCode, &code), 0);
  EXPECT_EQ(code.unique, 0xabcU);  // the name's hash

  py_process process{};
  EXPECT_TRUE(py_is_code(&process, &code));
  process.code_type = kType;
  EXPECT_TRUE(py_is_code(&process, &code));
  process.code_type = kType + 8;
  EXPECT_FALSE(py_is_code(&process, &code));
}

TEST_F(PythonStep, reads_strings_of_each_width) {
  const py_layout layout = layout_of(PY_FORM_SHIM_FRAMES);
  const auto read = [&](std::uint64_t kind, bool is_compact, bool is_ascii) {
    const std::uint64_t state =
        kind << 2 | (is_compact ? 1U << 5 : 0U) | (is_ascii ? 1U << 6 : 0U) | 1U;
    put(kString, {5, 0, state});
    py_text text{};
    return py_read_text(nullptr, &layout, kString, &text) == 0 ? std::optional(text) : std::nullopt;
  };
  EXPECT_EQ(read(1, true, true)->data, kString + 24);
  EXPECT_EQ(read(1, true, false)->data, kString + 40);
  EXPECT_EQ(read(2, true, false)->width, 2U);
  EXPECT_EQ(read(4, true, false)->width, 4U);
  EXPECT_EQ(read(4, true, false)->length, 5U);
  EXPECT_FALSE(read(0, true, false));
  EXPECT_FALSE(read(3, true, false));
  EXPECT_FALSE(read(1, false, true));
}

}  // namespace
}  // namespace waggle
