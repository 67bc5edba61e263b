// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/python/layout.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace waggle {
namespace {

using Words = std::vector<std::uint64_t>;

constexpr std::uint64_t kCookie = 0x7970677562656478;  // "xdebugpy"

// As Debian's 3.14.10 has them.
const Words& words_3_14() {
  static const Words words = {
      kCookie, 0x30e0af0, 0,    316616, 784,  808, 225864, 7280, 7272, 7344, 7360, 7408,
      7688,    7672,      7680, 16,     7784, 0,   7800,   7792, 7992, 0,    832,  0,
      8,       16,        72,   152,    160,  232, 32,     88,   8,    0,    56,   80,
      74,      64,        0,    216,    112,  120, 128,    136,  68,   52,   96,   104,
      208,     0,         16,   8,      416,  24,  88,     168,  40,   32,   16,   40,
      24,      16,        200,  24,     40,   32,  48,     32,   40,   24,   16,   32,
      16,      24,        40,   16,     32,   64,  32,     16,   40,   264,  192,  160};
  return words;
}

Result<std::optional<DebugOffsetsLayout>> read(const Words& words) {
  return read_debug_offsets(std::as_bytes(std::span(words)));
}

TEST(PythonLayout, is_found_for_each_version_of_the_table_and_no_other) {
  for (const unsigned minor : {6U, 7U, 8U, 9U, 10U, 11U, 12U}) {
    ASSERT_NE(find_python_layout(python_version(3, minor, 0)), nullptr) << minor;
    ASSERT_NE(find_python_layout(python_version(3, minor, 30)), nullptr) << minor;
    EXPECT_NE(find_python_layout(0x030000c1U | minor << 16), nullptr);  // a release candidate
  }
  EXPECT_NE(find_python_layout(python_version(2, 7, 18)), nullptr);
  EXPECT_EQ(find_python_layout(python_version(3, 5, 9)), nullptr);
  EXPECT_EQ(find_python_layout(python_version(3, 13, 0)), nullptr);
  EXPECT_EQ(find_python_layout(python_version(2, 6, 9)), nullptr);
  EXPECT_EQ(find_python_layout(0), nullptr);
}

TEST(PythonLayout, differs_within_3_7) {
  EXPECT_EQ(find_python_layout(python_version(3, 7, 3))->layout.runtime_current, 1392U);
  EXPECT_EQ(find_python_layout(python_version(3, 7, 4))->layout.runtime_current, 1480U);
}

TEST(PythonLayout, fits_what_is_read_at_once) {
  for (const PythonLayoutRow& row : python_layout_rows()) {
    SCOPED_TRACE(row.source);
    const py_layout& layout = row.layout.fields;
    for (const unsigned size : {layout.thread_bytes, layout.frame_bytes, layout.code_bytes}) {
      EXPECT_LE(size, kMaxPythonRead);
      EXPECT_EQ(size % 8, 0U);
    }
    EXPECT_LT(layout.thread_id, layout.thread_bytes);
    EXPECT_LT(layout.frame_instruction, layout.frame_bytes);
    EXPECT_LT(layout.frame_previous, layout.frame_bytes);
    EXPECT_LT(layout.frame_code, layout.frame_bytes);
    EXPECT_TRUE(layout.frame_mark == PY_NONE || layout.frame_mark < layout.frame_bytes);
    EXPECT_LT(layout.code_filename, layout.code_bytes);
    EXPECT_LT(layout.code_name, layout.code_bytes);
    EXPECT_LT(layout.code_first_line, layout.code_bytes);
    EXPECT_TRUE(layout.code_qualname == PY_NONE || layout.code_qualname < layout.code_bytes);
  }
}

TEST(PythonLayout, is_said_by_the_build_itself_from_3_13_on) {
  const auto found = read(words_3_14());
  ASSERT_TRUE(found && *found);
  EXPECT_FALSE((*found)->is_guess);
  EXPECT_EQ((*found)->layout.runtime_interpreters, 808U);
  const py_layout& layout = (*found)->layout.fields;
  EXPECT_EQ(python_version_text(layout.version), "3.14.10");
  EXPECT_EQ(layout.form, PY_FORM_SHIM_FRAMES);
  EXPECT_EQ(layout.interpreter_next, 7272U);
  EXPECT_EQ(layout.interpreter_threads, 7344U);
  EXPECT_EQ(layout.thread_frame, 72U);
  EXPECT_EQ(layout.thread_id, 152U);
  EXPECT_EQ(layout.thread_status, 32U);
  EXPECT_EQ(layout.thread_bytes, 160U);
  EXPECT_EQ(layout.frame_mark, 74U);
  EXPECT_EQ(layout.frame_bytes, 80U);
  EXPECT_EQ(layout.frame_bytecode, PY_NONE);
  EXPECT_EQ(layout.code_version, 92U);
  EXPECT_EQ(layout.code_qualname, 128U);
  EXPECT_EQ(layout.code_instructions, 208U);
  EXPECT_EQ(layout.tuple_items, 32U);
  EXPECT_EQ(layout.string_data, 40U);
  EXPECT_EQ(layout.string_wide_data, 56U);
  EXPECT_EQ(layout.string_kind_shift, 2U);
}

TEST(PythonLayout, has_copies_of_the_bytecode_in_free_threaded_builds) {
  Words words = words_3_14();
  words[2] = 1;
  words[38] = 68;   // tlbc_index
  words[49] = 200;  // co_tlbc
  const auto found = read(words);
  ASSERT_TRUE(found && *found);
  const py_layout& layout = (*found)->layout.fields;
  EXPECT_EQ(layout.is_free_threaded, 1);
  EXPECT_EQ(layout.frame_bytecode, 68U);
  EXPECT_EQ(layout.code_bytecodes, 200U);
  EXPECT_EQ(layout.string_kind_shift, 8U);
}

TEST(PythonLayout, is_a_guess_for_a_version_to_come) {
  for (const std::uint64_t version : {0x31000f0, 0x3130100, 0x30f00a1}) {
    Words words = words_3_14();
    words.resize(93, 16);
    words[1] = version;
    const auto found = read(words);
    EXPECT_TRUE(!found || (*found && (*found)->is_guess)) << version;
  }
  Words words = words_3_14();
  words[1] = 0x30e00c1;  // a release candidate
  const auto found = read(words);
  ASSERT_TRUE(found && *found);
  EXPECT_TRUE((*found)->is_guess);
}

TEST(PythonLayout, is_refused_when_a_field_lies_outside_of_its_structure) {
  for (const std::size_t index : {5, 8, 9, 24, 26, 27, 30, 32, 34, 36, 40, 42, 44, 46, 48, 51}) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << 40, std::uint64_t{400'000}, ~std::uint64_t{0}}) {
      Words words = words_3_14();
      words[index] = value;
      const auto found = read(words);
      ASSERT_FALSE(found) << index;
      EXPECT_EQ(found.error().code, Errc::malformed);
    }
  }
}

TEST(PythonLayout, is_refused_when_its_words_are_cut_or_of_no_version) {
  Words words = words_3_14();
  words.resize(60);
  EXPECT_FALSE(read(words));
  for (const std::uint64_t version :
       {std::uint64_t{0}, std::uint64_t{0x30c00f0}, ~std::uint64_t{0}}) {
    words = words_3_14();
    words[1] = version;
    EXPECT_FALSE(read(words)) << version;
  }
}

TEST(PythonLayout, is_not_said_where_the_cookie_is_missing) {
  Words words = words_3_14();
  words[0] = 0;
  for (const Words& tried : {words, Words{}, Words{kCookie + 1}}) {
    const auto found = read(tried);
    ASSERT_TRUE(found);
    EXPECT_FALSE(*found);
  }
}

}  // namespace
}  // namespace waggle
