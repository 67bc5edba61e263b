// SPDX-License-Identifier: Apache-2.0
// Lines as each interpreter says them of its own library (tests/programs/python_lines.py), decoded
// from the same tables.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "tests/interpreters.h"
#include "userspace/runtimes/python/lines.h"

namespace waggle {
namespace {

std::string output_of(const Interpreter& interpreter) {
  const Script script(interpreter, PYTHON_LINES, "");
  std::string command;
  for (const std::string& word : script.command()) {
    command += "'" + word + "' ";
  }
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::array<char, 4096> chunk{};
  for (std::size_t size = 0; (size = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) {
    text.append(chunk.data(), size);
  }
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

std::vector<std::byte> from_hex(const std::string& text) {
  std::vector<std::byte> bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2) {
    const auto value = parse_number<std::uint8_t>(std::string_view(text).substr(at, 2), 16);
    bytes.push_back(std::byte{value.value_or(0)});
  }
  return bytes;
}

struct Counts {
  std::size_t checked = 0;
  std::size_t wrong = 0;
  std::size_t without_line = 0;
};

// One line of the program's output.
void check_function(const std::string& text, Counts& counts) {
  std::istringstream fields(text);
  std::uint32_t version = 0;
  std::int32_t first_line = 0;
  std::string hex;
  fields >> version >> first_line >> hex;
  const auto table = from_hex(hex);
  for (std::string range; fields >> range;) {
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::int32_t expected = 0;
    ASSERT_EQ(std::sscanf(range.c_str(), "%ld:%ld:%d", &start, &end, &expected), 3);
    for (std::int64_t offset = start; offset < end; ++offset) {
      const auto line = find_python_line(table, version, first_line, offset);
      ++counts.checked;
      counts.wrong += line.value_or(-1) == expected ? 0 : 1;
      counts.without_line += expected == -1 ? 1 : 0;
    }
  }
}

class PythonLines : public ::testing::TestWithParam<const char*> {};

TEST_P(PythonLines, are_those_that_the_interpreter_says) {
  const auto interpreters = find_interpreters(GetParam());
  if (interpreters.empty()) {
    GTEST_SKIP() << "no Python " << GetParam() << " here";
  }
  for (const Interpreter& interpreter : interpreters) {
    SCOPED_TRACE(interpreter.program);
    Counts counts;
    std::istringstream lines(output_of(interpreter));
    for (std::string line; std::getline(lines, line);) {
      check_function(line, counts);
    }
    EXPECT_GT(counts.checked, 40'000U);
    EXPECT_EQ(counts.wrong, 0U);
    if (std::string_view(GetParam()).starts_with("3.1")) {
      EXPECT_GT(counts.without_line, 0U);  // from 3.10 on there are such instructions
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Version, PythonLines,
                         ::testing::Values("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11",
                                           "3.12", "3.13", "3.14", "3.15"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

}  // namespace
}  // namespace waggle
