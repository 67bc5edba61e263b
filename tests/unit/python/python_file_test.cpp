// SPDX-License-Identifier: Apache-2.0
// Files of this machine's interpreters as they are, stripped, and without section headers.
#include "userspace/runtimes/python/python_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/interpreters.h"

namespace waggle {
namespace {

constexpr std::uint64_t kMinWholeLoop = 28'000;  // 2.7

Result<std::optional<PythonFile>> inspect(const std::string& path) {
  return inspect_python_file(ElfFile::open(open_file(path, O_RDONLY).value()).value());
}

// The file with the runtime: a library, if there is one beside the program.
std::vector<std::string> files_of(const std::string& version) {
  std::vector<std::string> files;
  for (const Interpreter& interpreter : find_interpreters(version)) {
    const std::filesystem::path program(interpreter.program);
    const auto libraries = program.parent_path().parent_path() / "lib";
    std::string file = program.string();
    for (const std::string& suffix : {version, version + "m"}) {
      const auto library = libraries / ("libpython" + suffix + ".so.1.0");
      if (std::filesystem::exists(library)) {
        file = library.string();
      }
    }
    files.push_back(file);
  }
  return files;
}

std::uint64_t size_of(const std::vector<py_range>& loops) {
  std::uint64_t size = 0;
  for (const py_range& loop : loops) {
    size += loop.end - loop.start;
  }
  return size;
}

class PythonFiles : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    files_ = files_of(GetParam());
    if (files_.empty()) {
      GTEST_SKIP() << "no Python " << GetParam() << " here";
    }
  }

  // As the file is, after a command has changed a copy of it.
  static void expect_same_after(const std::string& command) {
    const TempDir folder;
    const std::string copy = folder.path() + "/copy";
    for (const std::string& file : files_of(GetParam())) {
      SCOPED_TRACE(file);
      const auto whole = inspect(file);
      ASSERT_TRUE(whole && *whole);
      std::filesystem::copy_file(file, copy, std::filesystem::copy_options::overwrite_existing);
      ASSERT_EQ(std::system((command + " " + copy).c_str()), 0);
      const auto changed = inspect(copy);
      ASSERT_TRUE(changed) << changed.error().what;
      ASSERT_TRUE(*changed);
      EXPECT_EQ((*changed)->layout.fields.version, (*whole)->layout.fields.version);
      EXPECT_EQ((*changed)->interpreters, (*whole)->interpreters);
      EXPECT_EQ((*changed)->current, (*whole)->current);
      EXPECT_EQ((*changed)->code_type, (*whole)->code_type);
      // Parts of some bytes, which call abort(), are known by their names alone.
      EXPECT_GE(size_of((*changed)->loop.parts) + 64, size_of((*whole)->loop.parts));
      EXPECT_LE(size_of((*changed)->loop.parts), size_of((*whole)->loop.parts));
    }
  }

  std::vector<std::string> files_;
};

TEST_P(PythonFiles, have_a_version_a_runtime_and_a_whole_loop) {
  for (const std::string& file : files_) {
    SCOPED_TRACE(file);
    const auto found = inspect(file);
    ASSERT_TRUE(found) << found.error().what;
    ASSERT_TRUE(*found);
    const PythonFile& python = **found;
    const std::uint32_t version = python.layout.fields.version;
    EXPECT_EQ(std::to_string(python_major(version)) + "." + std::to_string(python_minor(version)),
              GetParam());
    EXPECT_FALSE(python.is_guess);
    EXPECT_NE(python.interpreters, 0U);
    EXPECT_NE(python.code_type, 0U);
    EXPECT_GE(size_of(python.loop.parts), kMinWholeLoop);
    EXPECT_TRUE(std::ranges::is_sorted(python.loop.parts, {}, &py_range::start));
  }
}

TEST_P(PythonFiles, are_the_same_stripped) {
  expect_same_after("strip");
}

TEST_P(PythonFiles, are_the_same_without_section_headers) {
  if (std::system("llvm-objcopy-19 --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no llvm-objcopy-19";
  }
  expect_same_after("llvm-objcopy-19 --strip-sections");
}

INSTANTIATE_TEST_SUITE_P(Version, PythonFiles,
                         ::testing::Values("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11",
                                           "3.12", "3.13", "3.14", "3.15"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

TEST(PythonFile, is_none_that_only_uses_the_runtime) {
  for (const char* path : {"/proc/self/exe", "/bin/sh"}) {
    const auto found = inspect(path);
    ASSERT_TRUE(found) << found.error().what;
    EXPECT_FALSE(*found) << path;
  }
}

std::optional<std::uint32_t> version_in(std::string_view text) {
  VersionTexts texts;
  texts.add(std::as_bytes(std::span(text)));
  return texts.best();
}

TEST(PythonVersionText, is_found_at_the_end_of_a_string) {
  using namespace std::string_view_literals;
  EXPECT_EQ(version_in("x\0003.8.18\0y"sv), python_version(3, 8, 18));
  EXPECT_EQ(version_in("/opt/python/2.7.18+\0"sv), python_version(2, 7, 18));
  EXPECT_EQ(version_in("3.9.0rc1\0"sv), python_version(3, 9, 0));
  EXPECT_EQ(version_in("3.10.13"sv), python_version(3, 10, 13));
}

TEST(PythonVersionText, is_not_a_number_of_something_else) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {"13.8.1\0"sv, "0.3.8.1\0"sv, "3.8.1 of\0"sv, "3.8\0"sv, "3.8.300\0"sv, "3.5.1\0"sv,
        "3.8.1.2\0"sv, "3.\0"sv, ""sv, "2.7.\0"sv}) {
    EXPECT_EQ(version_in(text), std::nullopt) << text;
  }
}

TEST(PythonVersionText, is_the_one_that_a_path_confirms) {
  using namespace std::string_view_literals;
  EXPECT_EQ(version_in("3.8.11\0003.9.4\0lib/python3.9\0"sv), python_version(3, 9, 4));
  EXPECT_EQ(version_in("3.8.11\0003.9.4\0"sv), std::nullopt);
}

}  // namespace
}  // namespace waggle
