// SPDX-License-Identifier: Apache-2.0
// The program.  Not for anything but the way to the table of verbs.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "userspace/cli/exit_status.h"
#include "userspace/cli/verbs.h"

int main(int argc, char** argv) try {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return waggle::run_program(argc > 0 ? argv[0] : "waggle", arguments);
} catch (const std::exception& error) {  // own code throws nothing: a library did
  (void)std::fprintf(stderr, "waggle: %s\n", error.what());
  return waggle::kExitFailure;
}
