// SPDX-License-Identifier: Apache-2.0
// The Java virtual machines of this machine, and programs of tests/programs/java on them.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/subprocess.h"
#include "base/text.h"
#include "tests/temp_dir.h"

namespace waggle {

// Of a JDK of this version ("17"), "" where there is none.
inline std::string find_java(std::string_view version) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/jvm", none)) {
    const auto release = read_file(entry.path().string() + "/release", 65536);
    const std::string line = "JAVA_VERSION=\"" + std::string(version);
    const std::string java = entry.path().string() + "/bin/java";
    if (release && release->find(line) != std::string::npos && std::filesystem::exists(java)) {
      return java;
    }
  }
  return "";
}

// Where fetch_async_profiler.py keeps it.
inline std::string async_profiler_directory() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string base = cache != nullptr ? cache : std::string(home ? home : "") + "/.cache";
  return base + "/waggle-test/async-profiler";
}

// Compiled for Java 17, once for each program of tests: all of tests/programs/java.
inline const std::string& java_classes() {
  static const TempDir kFolder;
  static const std::string kPath = [] {
    const std::string javac =
        std::filesystem::path(find_java("17")).parent_path().string() + "/javac";
    const auto run =
        run_tool(std::vector<std::string>{javac, "-d", kFolder.path(),
                                          std::string(JAVA_PROGRAMS) + "/Shares.java",
                                          std::string(JAVA_PROGRAMS) + "/Allocates.java",
                                          std::string(JAVA_PROGRAMS) + "/Calls.java",
                                          std::string(JAVA_PROGRAMS) + "/Sleeps.java"},
                 {.deadline = std::chrono::seconds(120), .output_bytes = 65536});
    using std::filesystem::perms;
    std::filesystem::permissions(kFolder.path(), perms::owner_all | perms::group_read |
                                                     perms::group_exec | perms::others_read |
                                                     perms::others_exec);
    return run && run->is_ok() ? kFolder.path() : "";
  }();
  return kPath;
}

inline std::vector<std::string> java_command(std::string_view version,
                                             std::vector<std::string> options = {},
                                             const std::string& program = "Shares") {
  std::vector<std::string> command = {find_java(version)};
  std::ranges::move(options, std::back_inserter(command));
  command.insert(command.end(), {"-cp", java_classes(), program});
  return command;
}

// Of the version that is its parameter.
class JavaOfVersion : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(async_profiler_directory())) {
      GTEST_SKIP() << "no async-profiler here (tests/e2e/java/fetch_async_profiler.py)";
    }
    if (find_java(GetParam()).empty() || find_java("17").empty()) {
      GTEST_SKIP() << "no Java " << GetParam() << " here";
    }
    ASSERT_NE(java_classes(), "");
  }
};

// Of the libraries that a process has mapped, each path once.
inline std::vector<std::string> mapped_profilers(pid_t pid) {
  std::vector<std::string> paths;
  const std::string maps =
      read_file("/proc/" + std::to_string(pid) + "/maps", std::size_t{1} << 24).value_or("");
  for (const std::string_view line : split(maps, '\n')) {
    const std::size_t at = line.find('/');
    if (at != std::string_view::npos &&
        line.find("libasyncProfiler.so") != std::string_view::npos) {
      const std::string path(line.substr(at, line.find(" (deleted)") - at));
      if (std::ranges::find(paths, path) == paths.end()) {
        paths.push_back(path);
      }
    }
  }
  return paths;
}

// async-profiler has an event of the kernel's for each thread while it samples.
inline bool is_being_sampled(pid_t pid) {
  std::error_code none;
  const std::string fds = "/proc/" + std::to_string(pid) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(fds, none)) {
    if (std::filesystem::read_symlink(entry.path(), none) == "anon_inode:[perf_event]") {
      return true;
    }
  }
  return false;
}

}  // namespace waggle
