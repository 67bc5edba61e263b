// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace waggle {

void check_failed(const char* file, int line, const char* condition) {
  (void)std::fprintf(stderr, "waggle: %s:%d: CHECK failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace waggle
