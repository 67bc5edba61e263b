// SPDX-License-Identifier: Apache-2.0
// The cases that gProfiler's own tests have for the names of perf's frames, and some it got wrong.
#include "userspace/tools/perf/frame_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace waggle {
namespace {

// The frames of one sample, root first, joined by ';'.
std::string collapse(const std::string& frames, ObjectNames objects) {
  std::string stack;
  PerfScriptParser parser("cycles", [&](const PerfSample& sample) {
    for (const PerfFrame& frame : sample.frames) {
      stack.insert(0, frame_text(frame, objects) + (stack.empty() ? "" : ";"));
    }
  });
  parser.feed("  1/1 1.000000000: cycles: \n" + frames + "\n");
  parser.finish(true);
  return stack;
}

struct Case {
  const char* name;
  std::string frames;  // leaf first, as perf prints them
  std::string hidden;
  std::string shown;
};

std::ostream& operator<<(std::ostream& out, const Case& value) {
  return out << value.name;
}

class FrameText : public testing::TestWithParam<Case> {};

TEST_P(FrameText, is_gprofilers) {
  EXPECT_EQ(collapse(GetParam().frames, ObjectNames::hidden), GetParam().hidden);
  EXPECT_EQ(collapse(GetParam().frames, ObjectNames::shown), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    Upstream, FrameText,
    testing::Values(
        Case{"a_name_with_a_blank", "\t 7f80 operator new+0x0 (/usr/lib/libstdc++.so.6)\n",
             "operator new", "operator new (/usr/lib/libstdc++.so.6)"},
        Case{"no_name", "\t 5501 [unknown] (/usr/bin/cat)\n", "(/usr/bin/cat)", "(/usr/bin/cat)"},
        Case{"no_name_in_a_deleted_file", "\t 7fd4 [unknown] (/usr/lib/libudev.so (deleted))\n",
             "(/usr/lib/libudev.so (deleted))", "(/usr/lib/libudev.so (deleted))"},
        Case{"nothing_known", "\t 1c00 [unknown] ([unknown])\n", "[unknown]",
             "[unknown] (unknown)"},
        Case{"no_name_in_the_vdso", "\t 7fdb [unknown] ([vdso])\n", "(vdso)", "(vdso)"},
        Case{"the_vdso", "\t 7f51 __vdso_time+0x1 ([vdso])\n", "__vdso_time", "__vdso_time (vdso)"},
        Case{"the_kernel", "\t ffa5 dup_mm+0x3f5 ([kernel.kallsyms])\n", "dup_mm_[k]",
             "dup_mm_[k]"},
        Case{"a_method", "\t dbdb Task::Run()+0x3b (/opt/node)\n", "Task::Run()",
             "Task::Run() (/opt/node)"},
        Case{"a_function", "\t 4090 recurse+0x1e (/native)\n", "recurse", "recurse (/native)"},
        Case{"a_stub", "\t 7fa0 @plt+0x0 (/usr/lib/libc.so)\n", "@plt", "@plt (/usr/lib/libc.so)"},
        Case{"a_long_template",
             "\t 7fa1 void A::run<B::(anonymous namespace)::C, (D)2>(E const&, F (*)(int))+0x2f "
             "(/opt/app (new)/bin)\n",
             "void A::run<B::(anonymous namespace)::C, (D)2>(E const&, F (*)(int))",
             "void A::run<B::(anonymous namespace)::C, (D)2>(E const&, F (*)(int)) "
             "(/opt/app (new)/bin)"},
        Case{"kernel_and_generated_code",
             "\t ff84 page_fault+0x34 ([kernel.kallsyms])\n"
             "\t 7f6e [unknown] (/tmp/perf-12.map)\n"
             "\t fffc copy_user+0x4c ([kernel.kallsyms])\n"
             "\t 7fae fstatat64+0xe (/usr/lib/libc.so.6)\n"
             "\t 0040 [unknown] ([unknown])\n",
             "[unknown];fstatat64;copy_user_[k];(/tmp/perf-12.map);page_fault_[k]",
             "[unknown] (unknown);fstatat64 (/usr/lib/libc.so.6);copy_user_[k];(/tmp/perf-12.map);"
             "page_fault_[k]"},
        Case{"java",
             "\t b7ac [unknown] ([unknown])\n"
             "\t 7fae Linker::resolve+0xbe (/opt/java/libjvm.so)\n"
             "\t 7f2f [unknown] (/tmp/perf-12.map)\n"
             "\t 7f8e JavaMain+0xcfe (/opt/java/libjli.so)\n"
             "\t 7fdb start_thread+0xdb (/usr/lib/libpthread.so)\n",
             "start_thread;JavaMain;(/tmp/perf-12.map);Linker::resolve;[unknown]",
             "start_thread (/usr/lib/libpthread.so);JavaMain (/opt/java/libjli.so);"
             "(/tmp/perf-12.map);Linker::resolve (/opt/java/libjvm.so);[unknown] (unknown)"}),
    [](const auto& instance) { return std::string(instance.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Ours, FrameText,
    testing::Values(
        Case{"a_plus_in_a_name", "\t 40 A::operator+(A const&)+0x1 (/bin/x)\n",
             "A::operator+(A const&)", "A::operator+(A const&) (/bin/x)"},
        Case{"no_offset", "\t 40 operator+ (/bin/x)\n", "operator+", "operator+ (/bin/x)"},
        Case{"kernel_in_the_path_of_a_library", "\t 40 f (/opt/kernel/libkernel.so)\n", "f",
             "f (/opt/kernel/libkernel.so)"},
        Case{"a_module", "\t ffffffffc0001000 nf_hook ([nf_tables])\n", "nf_hook_[k]",
             "nf_hook_[k]"},
        Case{"a_kernel_without_names", "\t ffffffff81000000 [unknown] ([kernel.kallsyms])\n",
             "[unknown]_[k]", "[unknown]_[k]"}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(CountKernelFrames, stops_where_the_kernel_ends) {
  const std::vector<PerfFrame> frames = {
      {.address = 0xffffffff81000000, .symbol = "do_work", .object = "[kernel.kallsyms]"},
      {.address = 0xffffffffc0000000, .symbol = "[unknown]", .object = "[unknown]"},
      {.address = 0x401000, .symbol = "main", .object = "/bin/x"},
      {.address = 0xffffffff00000000, .symbol = "[unknown]", .object = "[unknown]"}};
  EXPECT_EQ(count_kernel_frames(frames), 2U);
  EXPECT_EQ(count_kernel_frames({}), 0U);
  EXPECT_EQ(frame_text(frames[3]), "[unknown]") << "no kernel frame is that far from the leaf";
}

}  // namespace
}  // namespace waggle
