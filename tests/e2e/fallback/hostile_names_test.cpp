// SPDX-License-Identifier: Apache-2.0
// A program whose path and whose function's name hold what perf script prints: newlines, the heads
// of samples of somebody else, what was lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::HasSubstr;

std::string forged_sample(pid_t pid, const std::string& event, const std::string& object) {
  const std::string id = std::to_string(pid);
  return "\n\n  " + id + "/" + id + "  1.000000001: " + event + ": \n\t 40 forged " + object +
         "\n\n";
}

// Each name that the event could have.
std::string forged_name(pid_t victim) {
  std::string name = "f";
  for (const auto* event : {"cpu-clock:pppH", "cpu-clock", "cycles:P", "waggle"}) {
    name += forged_sample(victim, event, "([kernel.kallsyms])");
  }
  return name + "  1/1 1.000000001: PERF_RECORD_LOST lost 100000";
}

// A copy of the program whose function has another name.
void copy_with_name(const std::filesystem::path& path, std::string name) {
  std::string bytes = read_file(LONG_NAMES, 1 << 24).value();
  const std::string old_name = "long_name_" + std::string(500, 'x');
  ASSERT_LE(name.size(), old_name.size());
  name.resize(old_name.size());  // NUL ends it
  int found = 0;
  for (std::size_t at = bytes.find(old_name); at != std::string::npos;
       at = bytes.find(old_name, at)) {
    bytes.replace(at, name.size(), name);
    ++found;
  }
  ASSERT_GT(found, 0);
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
}

constexpr std::uint64_t kMostSamples = 2 * 99 * 2 + 20;  // of 2 seconds on 2 CPUs

TEST(FallbackRecord, believes_no_sample_that_the_name_of_a_function_makes_up) {
  const TestProgram victim({RECURSION, "2"});
  const TempDir directory;
  const std::string path = directory.path() + "/hostile";
  copy_with_name(path, forged_name(victim.pid()));
  const TestProgram hostile({path});
  const WaggleResult result =
      run_waggle({"record", "--engine", "fallback", "-o", "-", "-d", "2", "-p",
                  std::to_string(victim.pid()) + "," + std::to_string(hostile.pid())});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_GT(file.count_of("recursion"), 5U);
  EXPECT_EQ(file.count_of("recursion", "forged"), 0U) << file.text_of("recursion");
  EXPECT_GT(file.share_of("recursion", ";main;recurse;recurse;burn"), 0.9);
  EXPECT_GT(file.count_of("hostile"), 5U);
  EXPECT_EQ(file.lost(), 0U);
  EXPECT_TRUE(file.adds_up());
  EXPECT_LE(file.total(), kMostSamples);
  EXPECT_THAT(result.err, HasSubstr("lines that cannot be read"));
}

// The kernel tells the path of what begins meanwhile as it is; in that of what ran before newlines
// are written in another way.
TEST(FallbackRecord, believes_no_sample_that_the_path_of_a_program_makes_up) {
  const TestProgram victim({RECURSION, "2"});
  const TempDir directory;
  const std::string path =
      directory.path() + "/x" + forged_sample(victim.pid(), "cpu-clock:pppH", "(x)") + "hostile";
  copy_with_name(path, "burn");
  WaggleRun run({"record", "--engine", "fallback", "-o", "x.col", "-d", "2", "--", path});
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file =
      CollapsedFile::parse(read_file(run.directory() + "/x.col", 1 << 24).value());
  EXPECT_EQ(file.count_of("recursion"), 0U) << file.text_of("recursion");
  EXPECT_GT(file.total(), 5U);
  EXPECT_LE(file.total(), kMostSamples);
  EXPECT_TRUE(file.adds_up());
  EXPECT_THAT(result.err, HasSubstr("lines that cannot be read"));
}

}  // namespace
}  // namespace waggle
