// SPDX-License-Identifier: Apache-2.0
// The program.  Not for anything but the way to the table of verbs.
#include <malloc.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "userspace/cli/exit_status.h"
#include "userspace/cli/verbs.h"

namespace {

// Tables of files are large and live for milliseconds.  Left alone, glibc learns from that to keep
// such blocks for ever: 60 MiB beside 500 processes, and 31 with a fixed limit.
void give_back_large_blocks() {
  constexpr int kLargeBytes = 256 << 10;
  (void)::mallopt(M_MMAP_THRESHOLD, kLargeBytes);
  (void)::mallopt(M_TRIM_THRESHOLD, kLargeBytes);
}

}  // namespace

int main(int argc, char** argv) try {
  give_back_large_blocks();
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return waggle::run_program(argc > 0 ? argv[0] : "waggle", arguments);
} catch (const std::exception& error) {  // own code throws nothing: a library did
  (void)std::fprintf(stderr, "waggle: %s\n", error.what());
  return waggle::kExitFailure;
}
