// SPDX-License-Identifier: Apache-2.0
// From a signal handler over the kernel's signal frame to what it interrupted.
#include <gtest/gtest.h>

#include "tests/e2e/unwind/stacks.h"

namespace waggle {
namespace {

TEST(SignalHandlers, lead_to_the_interrupted_function_from_both_kinds_of_stack) {
  Programs programs;
  programs.start("signals", {}, "same_stack");
  programs.start("signals", {"alternate"}, "own_stack");
  programs.start("signals_static", {}, "static");
  const CollapsedFile file = programs.record();
  for (const std::string comm : {"same_stack", "own_stack", "static"}) {
    const bool is_static = comm == "static";
    const std::string trampoline = is_static ? "__restore_rt" : "(libc.so.6";
    const auto from_start = [&](const Frames& rest) {
      return is_static ? from_static_entry(rest) : from_entry(rest);
    };
    const Stacks stacks(file, comm,
                        {from_start({"main", "interrupted", trampoline, "on_signal", "handle"}),
                         from_start({"main", "interrupted"}),
                         from_start({"main", "interrupted", trampoline}),  // before sigreturn(2)
                         from_start({"main", trampoline, "on_signal", "handle"})});
    EXPECT_GT(stacks[0], 50U) << comm;
    EXPECT_GT(stacks[1], 50U) << comm;
  }
}

}  // namespace
}  // namespace waggle
