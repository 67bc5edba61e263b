// SPDX-License-Identifier: Apache-2.0
// A directory for one test, removed with all in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "base/check.h"

namespace waggle {

class TempDir {
 public:
  TempDir() {
    path_ = (std::filesystem::temp_directory_path() / "waggle-test-XXXXXX").string();
    CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;  // a leftover under /tmp fails no test
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace waggle
