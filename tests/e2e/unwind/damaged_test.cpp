// SPDX-License-Identifier: Apache-2.0
// Call frame information that is broken.
#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "symbolizer/elf_file.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

// Overwrites bytes of a copy's .eh_frame; C code runs without it.
std::string damaged_copy(const std::string& directory, const std::string& name, std::size_t offset,
                         std::size_t size) {
  std::string copy = directory + "/damaged";
  std::filesystem::copy_file(std::string(PROGRAMS) + "/" + name, copy);
  const UniqueFd fd(::open(copy.c_str(), O_RDWR | O_CLOEXEC));
  const ElfFile file = ElfFile::open(open_file(copy, O_RDONLY).value()).value();
  const ElfSection* section = file.find_section(".eh_frame");
  CHECK(section != nullptr && offset + size <= section->size);
  const std::string garbage(size, '\x5a');
  CHECK(::pwrite(fd.get(), garbage.data(), size, static_cast<off_t>(section->offset + offset)) ==
        static_cast<ssize_t>(size));
  return copy;
}

class DamagedFrames : public testing::TestWithParam<std::pair<std::size_t, std::size_t>> {};

// It costs that file its table, or a part of it, and the reason is told.
TEST_P(DamagedFrames, cost_their_own_file_its_stacks_and_nothing_else) {
  const auto [offset, size] = GetParam();
  const TempDir dir;
  const std::string path = damaged_copy(dir.path(), "recursion_no_fp_static", offset, size);
  const TestProgram damaged({path, "10"});
  const TestProgram sound({std::string(PROGRAMS) + "/recursion_no_fp", "10"});
  const WaggleResult result = run_waggle({"record", "-d", "2", "-F", "199", "-o", "-", "-p",
                                          fmt::format("{},{}", damaged.pid(), sound.pid())});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("damaged: no unwind table: .eh_frame: "));
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.share_of("recursion_no_fp", ";_start;"), 0.95);
  EXPECT_GT(file.count_of("damaged"), 20U);
}

INSTANTIATE_TEST_SUITE_P(At, DamagedFrames,
                         testing::Values(std::pair{0, 64}, std::pair{0, 4096},
                                         std::pair{600, 2000}));

}  // namespace
}  // namespace waggle
