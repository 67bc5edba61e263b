// SPDX-License-Identifier: Apache-2.0
// How Java stands between the system's frames: java_match.h.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "userspace/profile/runtime_merge.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::Pair;

// "frame;frame" and its count.
using Lines = std::vector<std::pair<std::string, std::uint64_t>>;

constexpr std::uint32_t kPid = 12;
const std::string kThread = "clone;thread_entry(JavaThread*, JavaThread*);call_helper";
const std::string kMain = "clone;JavaMain;call_helper";

// Code that was generated is "*"; a stack that begins with "[" has no root.
void add_system(Profile& profile, const std::string& line, std::uint64_t count,
                const std::string& container = "") {
  Profile::Stack stack{.container = profile.intern(container),
                       .comm = profile.intern("java"),
                       .frames = {},
                       .process = kPid};
  stack.walk.root = Profile::Walk::Root::whole;
  for (const std::string_view frame : split(line, ';')) {
    const auto at = static_cast<std::uint32_t>(stack.frames.size());
    if (frame == "*") {
      stack.walk.generated_begin = stack.walk.generated_end == 0 ? at : stack.walk.generated_begin;
      stack.walk.generated_end = at + 1;
    } else if (at == 0 && frame.starts_with('[')) {
      stack.walk.root = Profile::Walk::Root::cut;
    }
    stack.frames.push_back(profile.intern(frame));
  }
  profile.add(stack, count);
}

RuntimeStacks java_of(const Lines& lines) {
  RuntimeStacks java{
      .process = kPid, .comm = "java", .stacks = {}, .error = {}, .is_java_on_cpu = true};
  for (const auto& [line, count] : lines) {
    Profile::Stack stack{
        .container = java.stacks.intern(""), .comm = java.stacks.intern(""), .frames = {}};
    for (const std::string_view frame : split(line, ';')) {
      stack.frames.push_back(java.stacks.intern(frame));
    }
    java.stacks.add(stack, count);
  }
  return java;
}

std::string line_of(const Profile& profile, const Profile::Stack& stack) {
  std::string line;
  for (const Profile::NameId frame : stack.frames) {
    line.append(line.empty() ? "" : ";").append(profile.name(frame));
  }
  return line;
}

std::map<std::string, std::uint64_t> merged(const Profile& system, RuntimeStacks java) {
  std::vector<RuntimeStacks> runtimes;
  runtimes.push_back(std::move(java));
  const MergedProfile merged = merge_runtime_stacks(system, runtimes);
  EXPECT_EQ(merged.profile.total(), system.total());
  EXPECT_EQ(merged.added, 0U);
  std::map<std::string, std::uint64_t> lines;
  for (const auto& [stack, count] : merged.profile.counts()) {
    EXPECT_EQ(merged.profile.name(stack.comm), "java");
    lines[line_of(merged.profile, stack)] += count;
  }
  return lines;
}

std::map<std::string, std::uint64_t> merged(const Lines& system_lines, const Lines& java_lines) {
  Profile system;
  for (const auto& [line, count] : system_lines) {
    add_system(system, line, count);
  }
  return merged(system, java_of(java_lines));
}

TEST(JavaMatch, keeps_native_stacks_that_have_no_java) {
  EXPECT_THAT(merged({{"clone;GC;mark", 40}, {"clone;GC;mark;fault_[k]", 5}, {"*", 10}},
                     {{"A.a()V_[j]", 1}, {"clone;GC;other", 7}}),
              ElementsAre(Pair("A.a()V_[j]", 10), Pair("clone;GC;mark", 40),
                          Pair("clone;GC;mark;fault_[k]", 5)));
}

TEST(JavaMatch, puts_java_between_the_start_of_the_thread_and_what_it_called) {
  EXPECT_THAT(
      merged({{kThread + ";*;*;readBytes;read;sys_read_[k];copy_[k]", 9}, {kThread + ";*;*", 6}},
             {{"B.run()V_[0];B.read()V_[j];readBytes;read;sys_read_[k]", 3},
              {"B.run()V_[0];B.burn()V_[j];B.spin()V_[i]", 3}}),
      ElementsAre(Pair(kThread + ";B.run()V_[0];B.burn()V_[j];B.spin()V_[i]", 6),
                  Pair(kThread + ";B.run()V_[0];B.read()V_[j];readBytes;read;sys_read_[k];"
                                 "copy_[k]",
                       9)));
}

TEST(JavaMatch, gives_each_the_methods_that_called_the_same_functions) {
  EXPECT_THAT(merged({{"*;io;sys_read_[k];x_[k]", 7}, {"*;io;sys_write_[k]", 5}, {"*;net", 2}},
                     {{"R.r()V_[j];io;sys_read_[k];y_[k]", 1},
                      {"W.w()V_[j];io;sys_write_[k]", 99},
                      {"N.n()V_[j];net;send", 50}}),
              ElementsAre(Pair("N.n()V_[j];net", 2), Pair("R.r()V_[j];io;sys_read_[k];x_[k]", 7),
                          Pair("W.w()V_[j];io;sys_write_[k]", 5)));
}

TEST(JavaMatch, prefers_stacks_that_end_in_the_same_function) {
  EXPECT_THAT(merged({{"*;io", 4}}, {{"A.a()V_[j];io", 1}, {"B.b()V_[j];io;read", 9}}),
              ElementsAre(Pair("A.a()V_[j];io", 4)));
}

// 10 * (5, 3, 3) / 11 = 4.54, 2.72, 2.72
TEST(JavaMatch, shares_methods_out_by_largest_remainder_and_keeps_both_sums) {
  const auto lines = merged({{"*;io;x_[k]", 6}, {"*;io;y_[k]", 4}},
                            {{"A.a()V_[j];io", 5}, {"A.b()V_[j];io", 3}, {"A.c()V_[j];io", 3}});
  std::map<std::string, std::uint64_t> methods;
  std::map<std::string, std::uint64_t> leaves;
  for (const auto& [line, count] : lines) {
    methods[line.substr(0, line.find(';'))] += count;
    leaves[line.substr(line.find(';') + 1)] += count;
  }
  EXPECT_THAT(methods,
              ElementsAre(Pair("A.a()V_[j]", 4), Pair("A.b()V_[j]", 3), Pair("A.c()V_[j]", 3)));
  EXPECT_THAT(leaves, ElementsAre(Pair("io;x_[k]", 6), Pair("io;y_[k]", 4)));
}

TEST(JavaMatch, looks_in_the_same_thread_first) {
  EXPECT_THAT(merged({{"thread: a;*", 3},
                      {"thread: b;*", 2},
                      {"thread: b;*;io", 4},
                      {"thread: c;*", 6},
                      {"thread: GC;clone;GC", 1}},
                     {{"thread: a;A.a()V_[j]", 10},
                      {"thread: b;B.b()V_[j]", 10},
                      {"thread: a;A.io()V_[j];io", 10}}),
              ElementsAre(Pair("thread: GC;clone;GC", 1), Pair("thread: a;A.a()V_[j]", 3),
                          Pair("thread: b;A.io()V_[j];io", 4), Pair("thread: b;B.b()V_[j]", 2),
                          Pair("thread: c;A.a()V_[j]", 3), Pair("thread: c;B.b()V_[j]", 3)));
}

// The code around a native method is generated too.
TEST(JavaMatch, stays_in_the_thread_where_it_was_seen_in_native_functions_alone) {
  EXPECT_THAT(
      merged({{"thread: a;*", 3}, {"thread: b;*;fault_[k]", 2}},
             {{"thread: a;A.io()V_[j];io;read", 1}, {"thread: b;B.b()V_[j]", 10}}),
      ElementsAre(Pair("thread: a;A.io()V_[j]", 3), Pair("thread: b;B.b()V_[j];fault_[k]", 2)));
}

TEST(JavaMatch, lets_a_page_fault_that_async_profiler_did_not_meet_be_of_what_runs) {
  EXPECT_THAT(merged({{"*;fault_[k];clear_[k]", 8}},
                     {{"A.a()V_[j]", 3}, {"A.b()V_[j];irq_[k]", 1}, {"A.c()V_[j];io;read", 90}}),
              ElementsAre(Pair("A.a()V_[j];fault_[k];clear_[k]", 6),
                          Pair("A.b()V_[j];fault_[k];clear_[k]", 2)));
}

TEST(JavaMatch, takes_a_function_of_glibc_for_the_same_by_its_inner_name) {
  EXPECT_THAT(merged({{"*;read;sys_read_[k]", 4}, {"*;write", 1}},
                     {{"A.a()V_[j];__GI_read;sys_read_[k]", 3}, {"A.b()V_[j];write", 3}}),
              ElementsAre(Pair("A.a()V_[j];read;sys_read_[k]", 4), Pair("A.b()V_[j];write", 1)));
}

TEST(JavaMatch, takes_a_function_that_the_system_never_sees_for_code_of_the_jvm) {
  EXPECT_THAT(merged({{"*", 4}, {"*;asm_fault_[k]", 3}, {"*;io", 2}},
                     {{"A.a()V_[j];jint_disjoint_arraycopy", 30},
                      {"A.a()V_[j];jint_disjoint_arraycopy;asm_fault_[k]", 1},
                      {"A.b()V_[j]", 10},
                      {"A.c()V_[j];io", 20},
                      {"A.d()V_[j];read;entry_SYSCALL_[k]", 90}}),
              ElementsAre(Pair("A.a()V_[j];jint_disjoint_arraycopy", 3),
                          Pair("A.a()V_[j];jint_disjoint_arraycopy;asm_fault_[k]", 3),
                          Pair("A.b()V_[j]", 1), Pair("A.c()V_[j];io", 2)));
}

TEST(JavaMatch, gives_a_stack_whose_root_is_cut_the_start_that_its_threads_have) {
  EXPECT_THAT(
      merged({{kThread + ";*;io", 5}, {kMain + ";*;net", 5}, {"[truncated: no unwind info];*", 9}},
             {{"T.run()V_[0];T.t()V_[j];io", 1},
              {"M.main([Ljava/lang/String|)V_[0];M.n()V_[j];net", 1},
              {"T.run()V_[0];T.t()V_[j]", 1},
              {"M.main([Ljava/lang/String|)V_[0];M.m()V_[j]", 1},
              {"J.callback()V_[0];J.j()V_[j]", 1}}),
      ElementsAre(Pair("J.callback()V_[0];J.j()V_[j]", 3),
                  Pair(kMain + ";M.main([Ljava/lang/String|)V_[0];M.m()V_[j]", 3),
                  Pair(kMain + ";M.main([Ljava/lang/String|)V_[0];M.n()V_[j];net", 5),
                  Pair(kThread + ";T.run()V_[0];T.t()V_[j]", 3),
                  Pair(kThread + ";T.run()V_[0];T.t()V_[j];io", 5)));
}

TEST(JavaMatch, begins_with_java_where_no_start_is_known) {
  EXPECT_THAT(
      merged({{"[truncated: no unwind info];*;io", 5}}, {{"T.run()V_[0];T.t()V_[j];io", 1}}),
      ElementsAre(Pair("T.run()V_[0];T.t()V_[j];io", 5)));
}

TEST(JavaMatch, keeps_the_marker_in_front_of_native_frames) {
  EXPECT_THAT(merged({{"[truncated: no unwind info];call_helper;*", 5}}, {{"A.a()V_[j]", 1}}),
              ElementsAre(Pair("[truncated: no unwind info];call_helper;A.a()V_[j]", 5)));
}

TEST(JavaMatch, takes_the_start_that_async_profiler_walked_to) {
  EXPECT_THAT(merged({{"[truncated: no unwind info];*", 5}, {"clone;main;*;io", 2}},
                     {{"start;entry;A.a()V_[j]", 1}, {"start;entry;A.b()V_[j];io", 1}}),
              ElementsAre(Pair("clone;main;A.b()V_[j];io", 2), Pair("start;entry;A.a()V_[j]", 5)));
}

TEST(JavaMatch, has_no_main_in_a_thread_that_java_started_nor_the_reverse) {
  EXPECT_THAT(
      merged({{kThread + ";*", 6}, {kMain + ";*", 4}},
             {{"T.run()V_[0];T.t()V_[j]", 1}, {"M.main([Ljava/lang/String|)V_[0];M.m()V_[j]", 9}}),
      ElementsAre(Pair(kMain + ";M.main([Ljava/lang/String|)V_[0];M.m()V_[j]", 4),
                  Pair(kThread + ";T.run()V_[0];T.t()V_[j]", 6)));
}

TEST(JavaMatch, has_neither_in_a_thread_of_the_jvm_itself) {
  const std::string agent = "thread_native_entry(Thread*);Agent_OnAttach;call_helper";
  const std::string thread = "thread_native_entry(Thread*);thread_entry(JavaThread*);call_helper";
  EXPECT_THAT(
      merged({{agent + ";*", 6}, {thread + ";*", 6}},
             {{"T.run()V_[0];T.t()V_[j]", 9}, {"I.internal()V_[0]", 1}}),
      ElementsAre(Pair(agent + ";I.internal()V_[0]", 6), Pair(thread + ";I.internal()V_[0]", 1),
                  Pair(thread + ";T.run()V_[0];T.t()V_[j]", 5)));
}

TEST(JavaMatch, drops_what_lies_between_two_runs_of_java) {
  EXPECT_THAT(
      merged({{"clone;*;JVM_DoPrivileged;call_helper;*;io", 5}}, {{"A.a()V_[j];A.b()V_[j];io", 1}}),
      ElementsAre(Pair("clone;A.a()V_[j];A.b()V_[j];io", 5)));
}

// Async-profiler says 50 : 30 : 20 of what runs, calls functions and has no Java.
TEST(JavaMatch, replaces_what_called_unknown_functions_by_kinds_that_are_too_few) {
  EXPECT_THAT(merged({{"*", 50},
                      {"*;io", 10},
                      {"*;(libx.so+0x12)", 15},
                      {"*;(libx.so+0x18)", 5},
                      {"clone;GC", 20}},
                     {{"A.a()V_[j]", 50},
                      {"A.io()V_[j];io", 15},
                      {"A.x()V_[j];x;y", 15},
                      {"clone;GC;old", 20}}),
              ElementsAre(Pair("A.a()V_[j]", 50), Pair("A.io()V_[j];io", 20),
                          Pair("A.x()V_[j];x;y", 10), Pair("clone;GC", 20)));
}

// Where no stack is walked to its root, as with musl, those without Java must not become Java's.
TEST(JavaMatch, replaces_stacks_without_root_by_what_is_missing) {
  EXPECT_THAT(merged({{"[truncated: no unwind info];*", 60},
                      {"[truncated: no unwind info];GC;mark", 30},
                      {"[lost stack]", 10}},
                     {{"A.a()V_[j]", 600}, {"start;GC;mark", 400}}),
              ElementsAre(Pair("A.a()V_[j]", 60), Pair("start;GC;mark", 40)));
}

TEST(JavaMatch, replaces_all_where_there_is_no_java_to_match) {
  EXPECT_THAT(
      merged({{"*;io", 7}, {"[truncated: depth];f", 3}, {"clone;GC", 2}}, {{"[no_Java_frame]", 1}}),
      ElementsAre(Pair("[no_Java_frame]", 10), Pair("clone;GC", 2)));
}

TEST(JavaMatch, is_not_for_stacks_by_the_clock_of_the_wall) {
  Profile system;
  add_system(system, "clone;GC", 5);
  add_system(system, "*;io", 5);
  RuntimeStacks java = java_of({{"A.waits()V_[j];wait", 1}});
  java.is_java_on_cpu = false;
  EXPECT_THAT(merged(system, std::move(java)), ElementsAre(Pair("A.waits()V_[j];wait", 10)));
}

TEST(JavaMatch, is_not_for_engines_that_do_not_tell_how_they_walked) {
  Profile system;
  system.add({.container = system.intern(""),
              .comm = system.intern("java"),
              .frames = {system.intern("main")},
              .process = kPid},
             8);
  EXPECT_THAT(merged(system, java_of({{"A.a()V_[j]", 1}})), ElementsAre(Pair("A.a()V_[j]", 8)));
}

TEST(JavaMatch, keeps_the_container_of_each_sample) {
  Profile system;
  add_system(system, "*", 3, "one");
  add_system(system, "*", 4, "two");
  add_system(system, "GC", 5, "two");
  std::vector<RuntimeStacks> runtimes;
  runtimes.push_back(java_of({{"A.a()V_[j]", 1}}));
  const MergedProfile merged = merge_runtime_stacks(system, runtimes);
  std::map<std::string, std::uint64_t> lines;
  for (const auto& [stack, count] : merged.profile.counts()) {
    lines[std::string(merged.profile.name(stack.container)) + ":" +
          line_of(merged.profile, stack)] += count;
  }
  EXPECT_THAT(lines,
              ElementsAre(Pair("one:A.a()V_[j]", 3), Pair("two:A.a()V_[j]", 4), Pair("two:GC", 5)));
}

// One of these names, or none.
std::string pick(std::mt19937_64& random, const std::vector<std::string>& names) {
  const std::size_t i = random() % (names.size() + 1);
  return i == names.size() ? "" : names[i];
}

std::string join(const std::vector<std::string>& parts) {
  std::string line;
  for (const std::string& part : parts) {
    line += part.empty() || line.empty() ? part : ";" + part;
  }
  return line;
}

// Whatever was seen: nothing is lost, nothing is new, and each line has kernel frames above native
// ones above Java's.
TEST(JavaMatch, invents_nothing) {
  std::mt19937_64 random(11);
  const std::vector<std::string> roots = {kThread, kMain, "clone"};
  const std::vector<std::string> gaps = {"*", "*;*", "*;call;*"};
  const std::vector<std::string> native = {"io", "io;read", "net", "(libx.so+0x1)"};
  const std::vector<std::string> kernel = {"sys_[k]", "sys_[k];x_[k]", "fault_[k]"};
  const std::vector<std::string> java = {"T.run()V_[0];T.t()V_[j]", "M.main(I)V_[1]",
                                         "J.j()V_[j];J.i()V_[i]", "J.j()V_[j];call;J.k()V_[j]"};
  for (int round = 0; round < 500; ++round) {
    Profile system;
    std::uint64_t native_only = 0;
    for (std::uint64_t i = 0; i < 1 + random() % 30; ++i) {
      const bool is_cut = random() % 3 == 0;
      const std::string gap = pick(random, gaps);
      const std::string root = is_cut ? "[truncated: depth]" : roots[random() % roots.size()];
      const std::uint64_t count = 1 + random() % 100;
      add_system(system, join({root, gap, pick(random, native), pick(random, kernel)}), count);
      native_only += gap.empty() && !is_cut ? count : 0;
    }
    Lines lines;
    for (std::uint64_t i = 0; i < 1 + random() % 30; ++i) {
      lines.emplace_back(join({random() % 4 == 0 ? "walked" : "", pick(random, java),
                               pick(random, native), pick(random, kernel), "end"}),
                         1 + random() % 100);
    }
    const auto result = merged(system, java_of(lines));  // compares the totals
    std::uint64_t native_left = 0;
    for (const auto& [line, count] : result) {
      ASSERT_EQ((";" + line + ";").find(";*;"), std::string::npos) << line;
      const std::size_t last_java = line.rfind("_[j]");
      const std::size_t first_kernel = line.find("_[k]");
      ASSERT_TRUE(last_java == std::string::npos || last_java < first_kernel) << line;
      const bool is_theirs = line.ends_with("end");
      const bool has_java = line.find(")V_[") != std::string::npos;
      native_left += !is_theirs && !has_java ? count : 0;
    }
    ASSERT_EQ(native_left, native_only) << round;
  }
}

TEST(JavaMatch, keeps_every_sample_of_many_stacks) {
  std::mt19937_64 random(3);
  Lines java;
  Profile system;
  const auto leaf = [&random] {
    std::string text;
    for (int i = 0; i < 20; ++i) {
      text += ";function_number_" + std::to_string(random() % 3) + (i < 10 ? "" : "_[k]");
    }
    return text;
  };
  for (int i = 0; i < 1'000; ++i) {
    std::string frames = "T.run()V_[0]";
    for (int depth = 0; depth < 60; ++depth) {
      frames += ";some/package/Class" + std::to_string(random() % 300) + ".method()V_[j]";
    }
    java.emplace_back(frames + leaf(), 1 + random() % 9);
    add_system(system, kThread + ";*;*;*" + leaf(), 1 + random() % 9);
  }
  std::vector<RuntimeStacks> runtimes;
  runtimes.push_back(java_of(java));
  EXPECT_EQ(merge_runtime_stacks(system, runtimes).profile.total(), system.total());
}

}  // namespace
}  // namespace waggle
