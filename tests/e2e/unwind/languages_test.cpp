// SPDX-License-Identifier: Apache-2.0
// Programs of other compilers, languages and C libraries; what is not there is skipped by name.
#include <gtest/gtest.h>

#include "tests/e2e/unwind/stacks.h"

namespace waggle {
namespace {

TEST(Rust, is_walked_to_the_entry) {
  if (!is_built("rusty")) {
    GTEST_SKIP() << "no rustc when the tests were built";
  }
  Programs programs;
  programs.start("rusty");
  const CollapsedFile file = programs.record();
  Frames form = from_entry({"main", "...", "rusty::main", "rusty::outer"});
  form.insert(form.end(), 10, "rusty::descend");
  Frames in_between = form;
  form.emplace_back("rusty::burn");
  in_between.resize(in_between.size() - 11);
  in_between.emplace_back("...");
  const Stacks stacks(file, "rusty", {form, in_between});
  EXPECT_GT(stacks[0], 300U);
}

// The runtime runs on a stack of its own when it allocates and collects.
TEST(Go, is_walked_to_the_entry_of_the_goroutine_also_from_the_system_stack) {
  if (!is_built("gopher")) {
    GTEST_SKIP() << "no go when the tests were built";
  }
  // The linker's own names of assembly functions have an end that Go's table has not.
  struct Form {
    std::string program;
    std::string end;
  };
  const std::vector<Form> forms = {
      {"gopher", ".abi0"}, {"gopher_stripped", ""}, {"gopher_pie", ""}, {"gopher_linked", ""}};
  Programs programs;
  for (const Form& form : forms) {
    programs.start(form.program);
  }
  const CollapsedFile file = programs.record();
  for (const auto& [program, end] : forms) {
    SCOPED_TRACE(program);
    const std::string goexit = "runtime.goexit" + end;
    Frames burning = {goexit, "runtime.main", "main.main"};
    burning.insert(burning.end(), 10, "main.descend");
    burning.emplace_back("main.burn");
    const Stacks stacks(
        file, program,
        {burning,
         {goexit, "...", "main.allocate", "main.list", "...", "runtime.systemstack" + end, "..."},
         {goexit, "..."},           // the collector, and what is between the others
         {"runtime.mcall", "..."},  // the scheduler: no goroutine any more
         {"runtime.morestack" + end, "..."},
         {"runtime.clone" + end, "..."},
         {"runtime.mstart" + end, "..."},
         {"(" + program, "runtime.mstart", "..."}});  // a thread that C made
    EXPECT_GT(stacks[0], 75U);
    EXPECT_GT(stacks[1], 1U);
  }
}

// musl has no call frame information: the frames above main() cannot be found, and that is said.
TEST(Musl, is_walked_as_far_as_there_is_a_way) {
  if (!is_built("recursion_musl")) {
    GTEST_SKIP() << "no musl-gcc when the tests were built";
  }
  Programs programs;
  programs.start("recursion_musl", {"10"}, "dynamic");
  programs.start("recursion_musl_static", {"10"}, "static");
  const CollapsedFile file = programs.record();
  for (const std::string comm : {"dynamic", "static"}) {
    Frames form = {std::string(kNoInfo), comm == "static" ? "libc_start_main_stage2" : "(libc.so",
                   "main"};
    form.insert(form.end(), 10, "recurse");
    form.emplace_back("burn");
    const Stacks stacks(file, comm, {form});
    EXPECT_GT(stacks[0], 300U) << comm;
  }
}

TEST(Narrow, programs_have_a_marker_in_place_of_their_stack) {
  Programs programs;
  programs.start("narrow");
  const CollapsedFile file = programs.record();
  ASSERT_GT(file.count_of("narrow"), 300U);
  EXPECT_EQ(file.count_of("narrow", ";[32-bit process]"), file.count_of("narrow"));
  EXPECT_EQ(file.header["waggle"]["truncated"].get<std::uint64_t>(), file.count_of("narrow"));
}

}  // namespace
}  // namespace waggle
