// SPDX-License-Identifier: Apache-2.0
#include "userspace/tools/async_profiler/crash_report.h"

#include <gmock/gmock.h>
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

// As JDK 17 writes it, cut.
constexpr const char* kReport =
    "#  SIGBUS (0x7) at pc=0x00007f10 (sent by kill), pid=7, tid=8\n"
    "---------------  T H R E A D  ---------------\n"
    "\n"
    "Native frames: (J=compiled Java code, j=interpreted, Vv=VM code, C=native code)\n"
    "C  [libc.so.6+0x85f16]\n"
    "C  [libjli.so+0x8f7d]  ContinueInNewThread0+0x7d \n"
    "\n"
    "siginfo: si_signo: 7 (SIGBUS), si_code: 0 (SI_USER)\n"
    "container (cgroup) information:\n"
    "container_type: cgroupv1\n"
    "memory_limit_in_bytes: \x1b[2Junlimited\n"
    "\n"
    "vm_info: OpenJDK 64-Bit Server VM (17.0.15+6-Debian-1deb12u1) for linux-amd64 JRE\n"
    "\n"
    "END.\n";

TEST(CrashDetails, are_the_machine_the_native_frames_and_the_container) {
  EXPECT_THAT(
      crash_details(kReport),
      testing::ElementsAre(
          "vm_info: OpenJDK 64-Bit Server VM (17.0.15+6-Debian-1deb12u1) for linux-amd64 JRE",
          "native frames: C  [libc.so.6+0x85f16]; C  [libjli.so+0x8f7d]  "
          "ContinueInNewThread0+0x7d",
          "container: container_type: cgroupv1; memory_limit_in_bytes: ?[2Junlimited"));
  EXPECT_THAT(crash_details("container information not found.\n\n"),
              testing::ElementsAre("container information not found."));
  EXPECT_THAT(crash_details(""), testing::IsEmpty());
  EXPECT_THAT(crash_details("Native frames: (J=x)"), testing::IsEmpty());
}

TEST(CrashDetails, have_a_dozen_frames_at_most) {
  std::string report = "Native frames: (J=x)\n";
  for (int i = 0; i < 100; ++i) {
    report += "C  [x]\n";
  }
  const auto details = crash_details(report);
  ASSERT_THAT(details, testing::SizeIs(1));
  EXPECT_THAT(details[0], testing::EndsWith("C  [x]; ..."));
  EXPECT_LT(details[0].size(), 150U);
}

TEST(CrashLines, are_all_of_it_fit_to_be_shown) {
  const auto lines = crash_lines(kReport);
  ASSERT_THAT(lines, testing::SizeIs(15));
  EXPECT_EQ(lines[5], "C  [libjli.so+0x8f7d]  ContinueInNewThread0+0x7d");
  EXPECT_EQ(lines[10], "memory_limit_in_bytes: ?[2Junlimited");
  EXPECT_EQ(lines[14], "END.");
  std::string endless;
  for (int i = 0; i < 20000; ++i) {
    endless += "x\n";
  }
  const auto cut = crash_lines(endless);
  EXPECT_LT(cut.size(), 6000U);
  EXPECT_EQ(cut.back(), "... (cut here)");
}

}  // namespace
}  // namespace waggle
