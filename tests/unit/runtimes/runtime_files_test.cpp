// SPDX-License-Identifier: Apache-2.0
#include "userspace/runtimes/runtime_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <optional>
#include <string>

#include "base/file.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

constexpr auto kAll = std::to_array({Runtime::ruby, Runtime::php, Runtime::dotnet, Runtime::node});

// Nothing: it cannot be read.
std::optional<RuntimeSet> runtimes_of(const std::string& path) {
  auto fd = open_file(path, O_RDONLY);
  if (!fd) {
    return std::nullopt;
  }
  const auto file = ElfFile::open(*std::move(fd));
  return file ? std::optional(find_runtimes(*file)) : std::nullopt;
}

struct Program {
  const char* path;
  Runtime runtime;
};

TEST(RuntimeFiles, tell_the_runtime_that_a_file_has_and_no_other) {
  int found = 0;
  for (const Program& program :
       {Program{RUNTIME_LIKE, Runtime::dotnet}, Program{"/usr/bin/node", Runtime::node},
        Program{"/usr/bin/php8.2", Runtime::php},
        Program{"/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1", Runtime::ruby}}) {
    if (const auto runtimes = runtimes_of(program.path)) {
      ++found;
      for (const Runtime runtime : kAll) {
        EXPECT_EQ(runtimes->has(runtime), runtime == program.runtime) << program.path;
      }
    }
  }
  EXPECT_GE(found, 1);
}

TEST(RuntimeFiles, find_none_in_other_programs) {
  const auto runtimes = runtimes_of("/proc/self/exe");
  ASSERT_TRUE(runtimes);
  for (const Runtime runtime : kAll) {
    EXPECT_FALSE(runtimes->has(runtime));
  }
}

TEST(RuntimeFiles, find_the_processes_by_content_whatever_they_are_called) {
  const TempDir dir;
  const std::string renamed = dir.path() + "/other";
  std::filesystem::copy_file(RUNTIME_LIKE, renamed);
  const TestProgram program({renamed});
  RuntimeFiles files;
  EXPECT_TRUE(files.has(program.pid(), Runtime::dotnet));
  EXPECT_FALSE(files.has(program.pid(), Runtime::ruby));
  EXPECT_FALSE(files.has(::getpid(), Runtime::dotnet));
  EXPECT_FALSE(files.has(1 << 30, Runtime::dotnet)) << "no such process";
  EXPECT_TRUE(files.has(program.pid(), Runtime::dotnet)) << "again";
}

}  // namespace
}  // namespace waggle
