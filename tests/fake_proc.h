// SPDX-License-Identifier: Apache-2.0
// A directory that looks like /proc to ProcFs.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/file.h"
#include "tests/temp_dir.h"

namespace waggle {

class FakeProc {
 public:
  struct Entry {
    std::uint32_t pid;
    std::string comm;
    std::uint64_t start_ticks;
    std::string maps;
    unsigned flags = 0x400000;
    unsigned thread_count = 1;
  };

  void put(const Entry& entry) {
    const std::string directory = fmt::format("{}/{}", dir_.path(), entry.pid);
    std::filesystem::create_directories(directory);
    CHECK(write_file_atomically(
        directory + "/stat",
        fmt::format("{} ({}) S 1 {} {} 0 -1 {} 0 0 0 0 0 0 0 0 20 0 {} 0 {} 0 0\n", entry.pid,
                    entry.comm, entry.pid, entry.pid, entry.flags, entry.thread_count,
                    entry.start_ticks)));
    CHECK(write_file_atomically(directory + "/maps", entry.maps));
  }
  // A text file below /proc/PID, for example "status", or "root/tmp/x".
  void put_file(std::uint32_t pid, const std::string& name, std::string_view text) {
    const std::filesystem::path path = fmt::format("{}/{}/{}", dir_.path(), pid, name);
    std::filesystem::create_directories(path.parent_path());
    CHECK(write_file_atomically(path.string(), text));
  }
  void remove(std::uint32_t pid) {
    std::filesystem::remove_all(fmt::format("{}/{}", dir_.path(), pid));
  }

  [[nodiscard]] const std::string& path() const { return dir_.path(); }

 private:
  TempDir dir_;
};

}  // namespace waggle
