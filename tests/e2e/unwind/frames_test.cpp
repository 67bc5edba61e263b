// SPDX-License-Identifier: Apache-2.0
// Kinds of frames: of compilers, of linkers, of the kernel, and of code made at run time.
#include <gtest/gtest.h>

#include "tests/e2e/unwind/stacks.h"

namespace waggle {
namespace {

// A frame of 100 KB, a realigned one, one of unknown size, both, and arguments on the stack.
TEST(Frames, of_all_sizes_are_walked) {
  const std::vector<std::string> names = {"frames", "frames_cet", "frames_clang"};
  Programs programs;
  for (const std::string& name : names) {
    programs.start(name);
  }
  const CollapsedFile file = programs.record();
  for (const std::string& name : names) {
    const Stacks stacks(
        file, name,
        {from_entry({"main", "large", "realigned", "growing", "sized", "seventh", "burn"}),
         from_entry({"main", "large", "escape"}), from_entry({"main", "large", "*", "escape"}),
         from_entry({"main", "large", "*", "*", "escape"}),
         from_entry({"main", "large", "*", "*", "*", "escape"})});
    EXPECT_GT(stacks[0], 300U) << name;
  }
}

TEST(Frames, of_the_vdso_and_of_system_calls_are_on_the_way_to_main) {
  Programs programs;
  programs.start("clocks");
  programs.start("calls");
  const CollapsedFile file = programs.record();
  const Stacks clocks(file, "clocks",
                      {from_entry({"main", "read_clock", "clock_gettime", "__vdso_clock_gettime"}),
                       from_entry({"main", "read_clock", "clock_gettime"}),
                       from_entry({"main", "read_clock", "clock_gettime@plt"}),
                       from_entry({"main", "read_clock", "clock_gettime", "[vdso]"})});
  EXPECT_GT(clocks[0], 300U);

  const Stacks calls(
      file, "calls",
      {from_entry({"main", "read_zeros", "read"}), from_entry({"main", "read_zeros", "read@plt"})});
  EXPECT_GT(calls[0], 300U);
  EXPECT_GT(file.count_of("calls", ";main;read_zeros;read;entry_SYSCALL_64_after_hwframe_[k];"),
            100U);
}

TEST(Frames, of_generated_code_lead_back_into_compiled_code) {
  Programs programs;
  programs.start("callbacks");
  const CollapsedFile file = programs.record();
  const Stacks stacks(file, "callbacks",
                      {from_entry({"main", "call_generated", "([anon]", "called_back", "burn"})});
  EXPECT_GT(stacks[0], 300U);
}

// _dl_runtime_resolve of the dynamic linker keeps its CFA in rbx.
TEST(Frames, of_the_lazy_binding_of_functions_lead_to_the_caller) {
  Programs programs;
  programs.start("lazy");
  const CollapsedFile file = programs.record();
  const Stacks stacks(
      file, "lazy",
      {from_entry({"main", "call_lazily", "(ld-linux-x86-64.so.2"}),
       from_entry({"main", "call_lazily", "(ld-linux-x86-64.so.2", "(ld-linux-x86-64.so.2", "..."}),
       from_entry({"main", "call_lazily", "labs@plt"}),
       from_entry({"main", "call_lazily", "(lazy"}),  // the first entry of the PLT
       from_entry({"main", "call_lazily", "labs"})});
  EXPECT_GT(stacks[0], 100U);
  EXPECT_GT(stacks[1], 100U);
}

}  // namespace
}  // namespace waggle
