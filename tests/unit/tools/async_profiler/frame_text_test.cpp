// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/frame_text.h"

#include <gtest/gtest.h>

namespace waggle {
namespace {

TEST(AsyncProfilerFrame, shows_the_library_of_a_native_function_alone) {
  EXPECT_EQ(text_with_library("libjvm.so`JVM_Sleep"), "JVM_Sleep (libjvm.so)");
  EXPECT_EQ(text_with_library("libx.so`operator`"), "operator` (libx.so)");
  EXPECT_EQ(text_with_library("[kernel]`do_idle_[k]"), "do_idle_[k]");
  EXPECT_EQ(text_with_library("a.B.c`d(I)V_[j]"), "a.B.c`d(I)V_[j]");
  EXPECT_EQ(text_with_library("[unknown]"), "[unknown]");
  EXPECT_EQ(text_with_library("libx.so`"), "libx.so`");
  EXPECT_EQ(text_with_library(""), "");
}

}  // namespace
}  // namespace waggle
