// SPDX-License-Identifier: Apache-2.0
// One Java virtual machine through a hundred recordings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/e2e/java/java_programs.h"
#include "tests/process_facts.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

class JavaLong : public testing::TestWithParam<const char*> {};

TEST_P(JavaLong, survives_a_hundred_recordings_and_gets_no_descriptor_more) {
  if (!std::filesystem::exists(async_profiler_directory())) {
    GTEST_SKIP() << "no async-profiler here (tests/e2e/java/fetch_async_profiler.py)";
  }
  if (find_java(GetParam()).empty() || find_java("17").empty()) {
    GTEST_SKIP() << "no Java " << GetParam() << " here";
  }
  const TestProgram program(java_command(GetParam()));
  std::size_t descriptors = 0;
  for (int i = 0; i < 100; ++i) {
    const WaggleResult result =
        run_waggle({"record", "-d", "1", "-o", "-", "-p", std::to_string(program.pid()),
                    "--async-profiler-path", async_profiler_directory()});
    ASSERT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    ASSERT_EQ(file.header["waggle"]["tools"]["async-profiler"], "ok") << result.err;
    const std::size_t now = open_descriptors(program.pid()).size();
    descriptors = i == 0 ? now : descriptors;
    ASSERT_LE(now, descriptors) << i;
  }
  EXPECT_THAT(mapped_profilers(program.pid()), testing::SizeIs(1));
}

INSTANTIATE_TEST_SUITE_P(Version, JavaLong, testing::Values(JAVA_VERSIONS),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace waggle
