// SPDX-License-Identifier: Apache-2.0
// Runs every file of a folder through a fuzz target's entry in an ordinary build, so that a crash
// that was found once stays fixed: x_fuzz_replay FOLDER.  Stands in for libFuzzer's own main.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  constexpr std::size_t kMaxInputBytes = 1 << 20;
  if (argc != 2) {
    (void)std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  std::size_t count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], error)) {
    const auto input = waggle::read_file(entry.path().string(), kMaxInputBytes);
    if (!input) {
      (void)std::fprintf(stderr, "%s\n", input.error().what.c_str());
      return 1;
    }
    (void)std::fprintf(stderr, "%s\n", entry.path().c_str());  // the last line names a crash
    (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input->data()),
                                 input->size());
    ++count;
  }
  if (error || count == 0) {
    (void)std::fprintf(stderr, "%s: no inputs\n", argv[1]);
    return 1;
  }
  return 0;
}
