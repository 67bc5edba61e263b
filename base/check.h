// SPDX-License-Identifier: Apache-2.0
// CHECK: our own promise is broken, one line and abort.  Never for bad input.
#pragma once

namespace waggle {

[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace waggle

#define CHECK(condition)                                      \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::waggle::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)
