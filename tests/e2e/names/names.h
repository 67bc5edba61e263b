// SPDX-License-Identifier: Apache-2.0
// What the tests of names share: recordings of tests/programs, some of them copied to be deleted.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {

using Words = std::vector<std::string>;

inline std::string program(const std::string& name) {
  return std::string(PROGRAMS) + "/" + name;
}

// A copy of a test program or library under another name, which no other process uses.
class Copy {
 public:
  Copy(const std::string& original, const std::string& name) : path_(dir_.path() + "/" + name) {
    std::filesystem::copy_file(program(original), path_);
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  void unlink() const { std::filesystem::remove(path_); }
  // Another file, at the same path.
  void replace(const std::string& original) const {
    const std::string beside = dir_.path() + "/new";
    std::filesystem::copy_file(program(original), beside);
    std::filesystem::rename(beside, path_);
  }

 private:
  TempDir dir_;
  std::string path_;
};

inline CollapsedFile profile_of(const WaggleResult& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  const std::size_t header = result.out.find("# {");  // after what a command printed
  return CollapsedFile::parse(std::string_view(result.out).substr(header));
}

inline CollapsedFile record(Words arguments) {
  arguments.insert(arguments.begin(), {"record", "-o", "-"});
  return profile_of(run_waggle(arguments));
}

// One second of one process.
inline CollapsedFile record_pid(pid_t pid) {
  return record({"-d", "1", "-F", "199", "-p", std::to_string(pid)});
}

}  // namespace waggle
