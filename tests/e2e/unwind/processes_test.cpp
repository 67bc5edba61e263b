// SPDX-License-Identifier: Apache-2.0
// Threads and processes that begin in other ways than main(), and code that comes, goes and moves.
#include <gtest/gtest.h>

#include "tests/e2e/unwind/stacks.h"

namespace waggle {
namespace {

TEST(Threads, that_throw_exceptions_are_walked_to_the_entry_of_the_thread) {
  Programs programs;
  programs.start("exceptions");
  const CollapsedFile file = programs.record();
  // clone3 and start_thread, which have no names there, the C++ library, and std::thread's calls.
  const Frames entry = {"(libc.so.6", "(libc.so.6", "(libstdc++.so.6.0.30", "..."};
  const std::string work = "(anonymous namespace)::work()";
  const auto from_work = [&](const Frames& rest) {
    Frames frames = entry;
    frames.emplace_back(work);
    frames.insert(frames.end(), rest.begin(), rest.end());
    return frames;
  };
  const std::string descend = "(anonymous namespace)::descend(int)";
  const std::string fail = "(anonymous namespace)::fail(int)";
  const Frames deepest(5, descend);
  const auto from_deepest = [&](const Frames& rest) {
    Frames frames = deepest;
    frames.insert(frames.end(), rest.begin(), rest.end());
    return from_work(frames);
  };
  const Stacks stacks(
      file, "exceptions",
      {from_deepest({fail + " [clone .cold]", "__cxa_throw", "..."}), from_deepest({fail}),
       from_work({"...", descend + " [clone .cold]", "_Unwind_Resume", "..."}),
       entry},  // all else, like a catch that ends
      // Its 50 busy threads keep the CPUs from the one that compiles its tables.
      0.35);
  EXPECT_GT(stacks[0], 100U);
  EXPECT_GT(stacks[1], 100U);
  EXPECT_GT(stacks[2], 20U);
}

TEST(Threads, that_the_c_library_did_not_make_are_walked_to_their_entry) {
  Programs programs;
  programs.start("clones");
  const CollapsedFile file = programs.record();
  const Stacks stacks(file, "clones",
                      {{"__clone", "start_clone", "burn_in_clone"},
                       {"start_raw_clone", "burn_in_raw_clone"},
                       {"__clone", "start_clone"},
                       {"start_raw_clone"}});
  EXPECT_GT(stacks[0], 300U);
  EXPECT_GT(stacks[1], 300U);
}

TEST(Processes, of_vfork_are_walked_over_the_memory_of_their_parent) {
  Programs programs;
  programs.start("borrowers");
  const CollapsedFile file = programs.record({"--children"});
  const Stacks stacks(
      file, "borrowers",
      {from_entry({"main", "lend", "burn_in_child"}),
       from_entry({"main", "lend", "burn_in_child", "..."}), from_entry({"main", "lend", "..."})});
  EXPECT_GT(stacks[0], 300U);
}

TEST(Processes, that_become_other_programs_are_walked_by_the_tables_of_those) {
  const WaggleResult result =
      run_waggle({"record", "-F", "999", "-o", "-", "--", built("chain_no_fp_a"), "9", "150"});
  EXPECT_EQ(result.status, 0) << result.err;
  const CollapsedFile file =
      CollapsedFile::parse(std::string_view(result.out).substr(result.out.find("# {")));
  for (const std::string stage : {"a", "b", "c"}) {
    const std::string comm = "chain_no_fp_" + stage;
    const std::string burn = "burn_in_" + stage;
    EXPECT_GT(file.count_of(comm, ";_start;__libc_start_main;"), 200U) << file.text_of(comm);
    EXPECT_GE(file.share_of(comm, ";main;" + burn), 0.85) << file.text_of(comm);
    EXPECT_EQ(file.count_of(comm, ";burn_in_"), file.count_of(comm, ";" + burn))
        << file.text_of(comm);
  }
}

TEST(Libraries, at_the_same_address_are_walked_each_by_its_own_table) {
  Programs programs;
  programs.start("swapped", {built("liblibrary_first.so"), built("liblibrary_second.so")});
  const CollapsedFile file = programs.record();
  const auto of = [](const std::string& work) {
    return from_entry({"main", "call_library", "library_run", work, "burn"});
  };
  const Stacks stacks(
      file, "swapped",
      {of("work_in_first"), of("work_in_second"),
       from_entry({"main", "call_library", "now_ms", "..."}), from_entry({"main", "dlopen", "..."}),
       from_entry({"main", "dlsym", "..."}), from_entry({"main", "dlclose", "..."}),
       from_entry({"main", "usleep", "..."})});  // see swapped.c
  EXPECT_GT(stacks[0], 200U);
  EXPECT_GT(stacks[1], 200U);
}

TEST(Libraries, whose_text_was_moved_are_walked_where_they_are) {
  Programs programs;
  programs.start("moved", {built("liblibrary_first.so")});
  const CollapsedFile file = programs.record();
  const Stacks stacks(
      file, "moved",
      {from_entry({"main", "call_library", "library_run", "work_in_first", "burn"})});
  EXPECT_GT(stacks[0], 300U);
}

}  // namespace
}  // namespace waggle
