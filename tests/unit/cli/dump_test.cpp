// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "userspace/cli/dump_stack.h"
#include "userspace/cli/dump_text.h"
#include "userspace/cli/dump_threads.h"

namespace waggle {
namespace {

using Lines = std::vector<std::string>;

TEST(KernelStack, is_names_without_offsets) {
  EXPECT_EQ(parse_kernel_stack("[<0>] do_wait+0x5e/0x110\n"
                               "[<0>] nf_hook+0x1/0x2 [nf_tables]\n"
                               "[<0>] 0xffffffffc0001234\n"
                               "[<0>] f.isra.0+0x10/0x20\n"),
            (Lines{"do_wait", "nf_hook", "0xffffffffc0001234", "f.isra.0"}));
  EXPECT_TRUE(parse_kernel_stack("").empty());
  EXPECT_TRUE(parse_kernel_stack("nothing of this\n\n").empty());
}

TEST(UserRegisters, are_the_last_two_fields) {
  EXPECT_EQ(parse_user_registers("230 0x0 0x0 0x7f 0x0 0x0 0x1 0x7ffc00 0x7fd600\n"),
            (UserRegisters{.ip = 0x7fd600, .sp = 0x7ffc00}));
  EXPECT_EQ(parse_user_registers("-1 0x7ffc00 0x7fd600"),
            (UserRegisters{.ip = 0x7fd600, .sp = 0x7ffc00}));
  EXPECT_EQ(parse_user_registers("running\n"), std::nullopt);
  EXPECT_EQ(parse_user_registers("-1 0x0 0x0\n"), std::nullopt);  // of the kernel
  EXPECT_EQ(parse_user_registers("-1 12 13\n"), std::nullopt);
  EXPECT_EQ(parse_user_registers(""), std::nullopt);
}

TEST(Threads, of_this_process_are_read) {
  const auto process = read_threads(::getpid());
  ASSERT_TRUE(process) << process.error().what;
  EXPECT_FALSE(process->is_kernel_thread);
  ASSERT_FALSE(process->threads.empty());
  const DumpedThread& first = process->threads.front();
  EXPECT_EQ(first.tid, ::getpid());
  EXPECT_EQ(first.innermost_tid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(first.state, 'R');
}

TEST(Threads, of_no_process_are_an_error) {
  const auto process = read_threads(0x7fffffff);
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().code, Errc::not_found);
  EXPECT_EQ(process.error().what, "pid 2147483647: no such process");
}

DumpedThread thread(pid_t tid, char state, Lines kernel) {
  return {.tid = tid,
          .innermost_tid = static_cast<std::uint32_t>(tid - 100),
          .comm = "app",
          .state = state,
          .kernel_frames = std::move(kernel)};
}

DumpedNativeStack native_stack(const Lines& names, const std::string& end_marker = "") {
  DumpedNativeStack stack{.frames = {}, .end_marker = end_marker};
  for (const std::string& name : names) {
    stack.frames.push_back({name, name == "eval"});
  }
  return stack;
}

TEST(JoinedStack, has_python_where_native_frames_run_it) {
  const DumpedPythonStack python = {.frames = {{"key", true}, {"sort", false}, {"<module>", true}}};
  EXPECT_EQ(
      join_stack({"wait"}, native_stack({"read", "eval", "qsort", "eval", "main"}), {&python}),
      (Lines{"wait_[k]", "read_[pn]", "key", "qsort_[pn]", "sort", "<module>", "main_[pn]"}));
}

TEST(JoinedStack, goes_on_with_python_behind_a_gap) {
  const DumpedPythonStack python = {.frames = {{"key", true}, {"sort", false}, {"<module>", true}}};
  EXPECT_EQ(join_stack({}, native_stack({"read", "eval", "qsort"}, "[truncated]"), {&python}),
            (Lines{"read_[pn]", "key", "qsort_[pn]", "[truncated]", "sort", "<module>"}));
}

TEST(JoinedStack, has_python_apart_where_it_cannot_be_joined) {
  const DumpedPythonStack python = {.frames = {{"f", true}, {"<module>", true}}};
  EXPECT_EQ(join_stack({}, native_stack({"read", "eval", "main"}), {&python}),
            (Lines{"read_[pn]", "eval_[pn]", "main_[pn]", "f", "<module>"}));
}

TEST(JoinedStack, without_python_has_plain_names) {
  EXPECT_EQ(join_stack({}, native_stack({"read", "main"}), {}), (Lines{"read", "main"}));
  EXPECT_EQ(join_stack({}, native_stack({"eval", "main"}), {}), (Lines{"eval", "main"}));
  EXPECT_EQ(join_stack({}, {}, {}), (Lines{}));
}

TEST(Dump, shows_each_thread_with_its_stacks) {
  const DumpedProcess process = {
      .comm = "app",
      .threads = {thread(112, 'S', {"do_wait"}), thread(113, 'R', {}), thread(114, 'D', {"io"})}};
  const DumpedPythons python = {
      .pythons = {
          {.version = "3.11.2",
           .path = "/usr/bin/python3.11",
           .by_thread = {{12,
                          {{.frames = {{"a.f (/a.py:2)_[p]", false},
                                       {"a.<module> (/a.py:9)_[p]", true}}}}},
                         {13, {{.is_attached = true, .frames = {{"a.g (/a.py:3)_[p]", true}}}}}},
           .without_thread = {{.frames = {{"a.h (/a.py:4)_[p]", true}}}}}}};
  const DumpedNativeStacks native = {
      {112, {.frames = {{"wait", false}, {"eval", true}, {"main", false}}, .end_marker = ""}}};
  EXPECT_EQ(render_dump(112, process, native, python),
            "Process 112 (app)\n"
            "Python 3.11.2: /usr/bin/python3.11\n"
            "\n"
            "Thread 112 (app): sleeping\n"
            "  do_wait_[k]\n"
            "  wait_[pn]\n"
            "  a.f (/a.py:2)_[p]\n"
            "  a.<module> (/a.py:9)_[p]\n"
            "  main_[pn]\n"
            "\n"
            "Thread 113 (app): running, has the GIL\n"
            "  a.g (/a.py:3)_[p]\n"
            "\n"
            "Thread 114 (app): sleeping, cannot be interrupted\n"
            "  io_[k]\n"
            "\n"
            "Python stack of a thread that is gone\n"
            "  a.h (/a.py:4)_[p]\n");
}

TEST(Dump, shows_the_interpreter_that_a_thread_is_in_first) {
  const DumpedProcess process = {.comm = "app", .threads = {thread(112, 'R', {})}};
  const DumpedPythons python = {
      .pythons = {{.version = "3.13.0",
                   .path = "/p",
                   .by_thread = {{12,
                                  {{.frames = {{"a (/a:1)_[p]", true}}},
                                   {.frames = {}},
                                   {.is_attached = true, .frames = {{"b (/b:1)_[p]", true}}}}}}}}};
  EXPECT_EQ(render_dump(112, process, {}, python),
            "Process 112 (app)\n"
            "Python 3.13.0: /p\n"
            "\n"
            "Thread 112 (app): running, has the GIL\n"
            "  b (/b:1)_[p]\n"
            "  a (/a:1)_[p]\n");
}

TEST(Dump, has_no_control_characters_of_names) {
  DumpedProcess process = {
      .comm = "a\x1b[2J", .is_kernel_thread = true, .threads = {thread(2, 'I', {})}};
  process.threads.front().comm = "b\n";
  EXPECT_EQ(render_dump(2, process, {}, {}),
            "Process 2 (a?[2J), a kernel thread\n\nThread 2 (b?): idle\n");
}

}  // namespace
}  // namespace waggle
