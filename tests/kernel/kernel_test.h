// SPDX-License-Identifier: Apache-2.0
// What tests against the real kernel share: children, and skipping where the kernel says no.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/result.h"

// Skips the test (a SetUp() too) when `result` failed for lack of a privilege or a feature.
#define WAGGLE_SKIP_WITHOUT_PRIVILEGE(result)                                  \
  do {                                                                         \
    if (!(result) && ((result).error().code == ::waggle::Errc::permission ||   \
                      (result).error().code == ::waggle::Errc::unsupported)) { \
      GTEST_SKIP() << (result).error().what;                                   \
    }                                                                          \
  } while (false)

namespace waggle {

// Runs `body` in a forked child and waits for its end; the pid, for looking up its records.
template <class Body>
pid_t run_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  CHECK(child > 0);
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return child;
}

}  // namespace waggle
