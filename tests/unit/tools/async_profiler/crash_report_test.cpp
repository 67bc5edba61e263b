// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/crash_report.h"

#include <gtest/gtest.h>

#include <string>

namespace waggle {
namespace {

TEST(CrashExcerpt, is_the_signal_the_frame_and_the_address) {
  EXPECT_EQ(
      crash_excerpt("#\n"
                    "# A fatal error has been detected by the Java Runtime Environment:\n"
                    "#\n"
                    "#  SIGSEGV (0xb) at pc=0x00007f10, pid=7, tid=8\n"
                    "#\n"
                    "# JRE version: OpenJDK (17.0.15)\n"
                    "# Problematic frame:\n"
                    "# V  [libjvm.so+0xabc]  Unsafe_PutInt+0x1\n"
                    "#\n"
                    "---------------  T H R E A D  ---------------\n"
                    "siginfo: si_signo: 11 (SIGSEGV), si_code: 1\n"
                    "#  SIGFPE is not looked at\n"),
      "SIGSEGV (0xb) at pc=0x00007f10, pid=7, tid=8; V  [libjvm.so+0xabc]  Unsafe_PutInt+0x1; "
      "siginfo: si_signo: 11 (SIGSEGV), si_code: 1");
}

TEST(CrashExcerpt, is_nothing_of_what_no_jvm_wrote) {
  EXPECT_EQ(crash_excerpt(""), "");
  EXPECT_EQ(crash_excerpt("# Problematic frame:"), "");
  EXPECT_EQ(crash_excerpt("#  SIGSEGV\x1b[2J " + std::string(1000, 'x')),
            "SIGSEGV?[2J " + std::string(188, 'x'));
}

}  // namespace
}  // namespace waggle
