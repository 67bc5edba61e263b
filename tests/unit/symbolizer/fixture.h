// SPDX-License-Identifier: Apache-2.0
// The built fixtures, and the text of the tools that the tests compare with.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "base/file.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/symbol_table.h"

namespace waggle {

inline std::string fixture(const std::string& name) {
  return std::string(FIXTURE_DIR) + "/" + name;
}

inline UniqueFd open_for_test(const std::string& path) {
  Result<UniqueFd> fd = open_file(path, O_RDONLY);
  EXPECT_TRUE(fd) << fd.error().what;
  return fd ? *std::move(fd) : UniqueFd();
}

inline ElfFile open_elf(const std::string& path) {
  return ElfFile::open(open_for_test(path)).value();
}

// Of a file without problems.
inline SymbolTable read_symbols(const std::string& path) {
  std::optional<Error> problem;
  SymbolTable table = SymbolTable::read(open_elf(path), &problem);
  EXPECT_FALSE(problem) << problem->what;
  return table;
}

// What a command writes to its standard output; the test fails if the command does.
inline std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  char chunk[4096];
  for (std::size_t count = 0; (count = std::fread(chunk, 1, sizeof(chunk), pipe)) > 0;) {
    text.append(chunk, count);
  }
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

}  // namespace waggle
