// SPDX-License-Identifier: Apache-2.0
// `waggle dump` of programs whose stacks are known (tests/programs/python).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "tests/e2e/cli/waggle_run.h"
#include "tests/e2e/python/expected_stacks.h"
#include "tests/interpreters.h"
#include "tests/process_facts.h"
#include "tests/test_program.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Lines = std::vector<std::string>;

// What is printed of one thread, innermost first.
struct Block {
  std::string head;
  Lines kernel;
  Lines user;    // native and Python
  Lines python;  // of these
};

bool is_of(const std::string& frame, std::string_view suffix) {
  return std::string_view(frame).ends_with(suffix);
}

std::map<pid_t, Block> blocks_of(const std::string& text) {
  std::map<pid_t, Block> blocks;
  pid_t tid = 0;
  for (const std::string_view line : split(text, '\n')) {
    constexpr std::string_view kThread = "Thread ";
    if (line.starts_with(kThread)) {
      const auto number = line.substr(kThread.size(), line.find(" (") - kThread.size());
      tid = parse_number<pid_t>(number).value_or(-1);
      blocks[tid].head = line;
    } else if (line.starts_with("  ")) {
      const std::string frame(line.substr(2));
      Block& block = blocks[tid];
      (is_of(frame, "_[k]") ? block.kernel : block.user).push_back(frame);
      if (is_of(frame, "_[p]")) {
        block.python.push_back(frame);
      }
    }
  }
  return blocks;
}

std::string path_of(const std::string& program) {
  return std::string(PYTHON_PROGRAMS) + "/" + program + ".py";
}

WaggleRun dump(pid_t pid) {
  return run_waggle({"dump", "-p", std::to_string(pid)});
}

// "a.b.Shape.method (/a/b.py:12)_[p]", of that file, is "Shape.method".
std::string function_in(const std::string& frame, const std::string& path) {
  std::string module = path.substr(1, path.size() - 4);
  std::ranges::replace(module, '/', '.');
  const std::size_t file = frame.find(" (" + path + ":");
  return frame.starts_with(module + ".") && file != std::string::npos
             ? frame.substr(module.size() + 1, file - module.size() - 1)
             : frame;
}

void await_sleep(pid_t pid) {
  while (process_state(pid) != 'S') {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

class Dump : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    interpreters_ = find_interpreters(GetParam());
    if (interpreters_.empty()) {
      GTEST_SKIP() << "no Python " << GetParam() << " here";
    }
  }
  // 7 for 2.7, too.
  static unsigned interpreter_minor() {
    const std::string_view version = GetParam();
    const std::size_t end = version.ends_with('t') ? version.size() - 1 : version.size();
    return parse_number<unsigned>(version.substr(2, end - 2)).value_or(0);
  }

  std::vector<Interpreter> interpreters_;
};

TEST_P(Dump, shows_a_thread_that_runs_with_its_python_stack) {
  for (const Interpreter& interpreter : interpreters_) {
    SCOPED_TRACE(interpreter.program);
    const Script script(interpreter, path_of("recursion"), "");
    const TestProgram program(script.command());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const WaggleRun run = dump(program.pid());
    EXPECT_EQ(run.status, 0);
    EXPECT_EQ(run.err, "");
    const auto blocks = blocks_of(run.out);
    ASSERT_EQ(blocks.size(), 1U) << run.out;
    const Block& block = blocks.begin()->second;
    EXPECT_THAT(block.head, AllOf(HasSubstr("running"), HasSubstr(", has the GIL")));
    Lines functions;
    for (const std::string& frame : block.python) {
      functions.push_back(function_in(frame, script.path()));
    }
    std::ranges::reverse(functions);
    EXPECT_EQ(functions, read_expected_stacks(path_of("recursion"), GetParam())->front().functions);
  }
}

TEST_P(Dump, shows_each_stack_with_its_thread) {
  for (const Interpreter& interpreter : interpreters_) {
    SCOPED_TRACE(interpreter.program);
    const Script script(interpreter, path_of("threads"), "");
    const TestProgram program(script.command());
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    const WaggleRun run = dump(program.pid());
    EXPECT_EQ(run.status, 0);
    EXPECT_EQ(run.err, "");
    auto blocks = blocks_of(run.out);
    ASSERT_EQ(blocks.size(), 51U) << run.out;
    EXPECT_EQ(blocks[program.pid()].python.size(), 1U);  // <module>, asleep
    blocks.erase(program.pid());
    // They were started in the order of their depths.
    std::size_t depth = 0;
    for (const auto& [tid, block] : blocks) {
      const auto is_descend = [&](const std::string& frame) {
        return function_in(frame, script.path()) == "descend";
      };
      EXPECT_EQ(std::ranges::count_if(block.python, is_descend), ++depth) << tid;
    }
  }
}

// 'n' for native frames, however many, '[' for a mark, else the first letter of a Python function.
std::string order_of(const Lines& frames) {
  std::string order;
  for (const std::string& frame : frames) {
    const std::string text = frame.substr(0, frame.find(" ("));
    char letter = frame.front();
    if (is_of(frame, "_[pn]")) {
      letter = 'n';
    } else if (is_of(frame, "_[p]")) {
      letter = text[text.rfind('.') + 1];
    }
    if (letter != 'n' || !order.ends_with('n')) {
      order += letter;
    }
  }
  return order;
}

// wait(), key_of(), case_callback(), <module>: where each version's evaluations are, and that no
// native frame between them is missing.
TEST_P(Dump, shows_native_functions_where_they_run_python_and_python_runs_them) {
  const std::string source = std::string(PYTHON_PROGRAMS) + "/../python_stacks.py";
  for (const Interpreter& interpreter : interpreters_) {
    SCOPED_TRACE(interpreter.program);
    const Script script(interpreter, source, "callback");
    const TestProgram program(script.command());
    await_sleep(program.pid());
    const WaggleRun run = dump(program.pid());
    EXPECT_EQ(run.status, 0);
    auto blocks = blocks_of(run.out);
    ASSERT_EQ(blocks.size(), 1U) << run.out;
    const Block& block = blocks.begin()->second;
    const std::string order = order_of(block.user);
    if (interpreter_minor() >= 15 || interpreter.root == musl_root()) {
      // Built with frame pointers (PEP 831), which nobody has saved; musl tells of no frames.
      EXPECT_EQ(order, "n[wkc<") << run.out;
    } else if (interpreter_minor() >= 11) {
      EXPECT_EQ(order, "nwknc<n") << run.out;
    } else {  // each call may have native frames of its own
      EXPECT_THAT(order, testing::MatchesRegex("nwn?kncn?<n")) << run.out;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Version, Dump,
                         testing::Values("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12",
                                         "3.13", "3.14", "3.15", "3.13t", "3.14t", "3.15t"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

// The first Python that is there.
std::string any_python() {
  const auto found = find_interpreters("3.11");
  return found.empty() ? "python3" : found.front().program;
}

constexpr const char* kSleeper =
    "import os, time\n"
    "os.write(1, b'ready\\n')\n"
    "def wait():\n"
    "    time.sleep(1000)\n"
    "wait()\n";

TEST(DumpOfOne, shows_kernel_functions_above_the_lines_that_wait) {
  const TestProgram program({any_python(), "-c", kSleeper});
  await_sleep(program.pid());
  const WaggleRun run = dump(program.pid());
  EXPECT_EQ(run.status, 0);
  const auto blocks = blocks_of(run.out);
  ASSERT_EQ(blocks.size(), 1U) << run.out;
  const Block& block = blocks.begin()->second;
  EXPECT_THAT(block.head, HasSubstr("sleeping"));
  EXPECT_EQ(block.python,
            (Lines{"<string>.wait (<string>:4)_[p]", "<string>.<module> (<string>:5)_[p]"}));
  if (run.err.empty()) {
    EXPECT_THAT(block.kernel, testing::Contains(HasSubstr("nanosleep")));
  } else {
    EXPECT_THAT(run.err, StartsWith("waggle dump: kernel stacks: "));
  }
}

TEST(DumpOfOne, shows_threads_of_another_pid_namespace) {
  const TestProgram program(
      {"unshare", "--pid", "--fork", "--kill-child", any_python(), "-c", kSleeper});
  if (program.first_line() != "ready") {
    GTEST_SKIP() << "no pid namespace can be made here";
  }
  const std::string self = std::to_string(program.pid());
  const auto children = read_file("/proc/" + self + "/task/" + self + "/children", 100);
  ASSERT_TRUE(children);
  const auto child = parse_number<pid_t>(children->substr(0, children->find(' ')));
  ASSERT_TRUE(child);
  await_sleep(*child);
  const WaggleRun run = dump(*child);
  EXPECT_EQ(run.status, 0);
  const auto blocks = blocks_of(run.out);
  ASSERT_EQ(blocks.size(), 1U) << run.out;
  EXPECT_EQ(blocks.begin()->first, *child);
  EXPECT_EQ(blocks.begin()->second.python.size(), 2U) << run.out;
}

TEST(DumpOfOne, shows_a_process_without_python) {
  const TestProgram program({"sh", "-c", "echo ready; exec sleep 1000"});
  await_sleep(program.pid());
  const WaggleRun run = dump(program.pid());
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, StartsWith("Process " + std::to_string(program.pid()) + " ("));
  const auto blocks = blocks_of(run.out);
  ASSERT_EQ(blocks.size(), 1U);
  const Block& block = blocks.begin()->second;
  EXPECT_THAT(block.user, testing::Contains(HasSubstr("nanosleep")));
  EXPECT_THAT(run.out, AllOf(Not(HasSubstr("_[p")), Not(HasSubstr("[truncated"))));
  EXPECT_GT(block.user.size(), 3U) << run.out;
}

// Nobody has saved the frame pointer of a function that keeps one.
TEST(DumpOfOne, marks_where_a_native_stack_cannot_be_followed) {
  const TestProgram program({WITH_FRAME_POINTERS});
  await_sleep(program.pid());
  const WaggleRun run = dump(program.pid());
  EXPECT_EQ(run.status, 0);
  const auto blocks = blocks_of(run.out);
  ASSERT_FALSE(blocks.empty());
  const Lines& user = blocks.at(program.pid()).user;
  ASSERT_GE(user.size(), 2U);
  EXPECT_EQ(user.back(), "[truncated: no unwind info]") << run.out;
}

TEST(DumpOfOne, of_a_process_that_is_gone_is_one_line_and_status_1) {
  pid_t pid = 0;
  {
    const TestProgram program({"echo", "ready"});
    pid = program.pid();
  }
  const WaggleRun run = dump(pid);
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err, "waggle dump: pid " + std::to_string(pid) + ": no such process\n");
}

// Runs as nobody, from where nobody can read the program.
class DumpByNobody : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
    std::filesystem::copy_file(WAGGLE, folder_.path() + "/waggle");
  }

  static Lines as_nobody(Lines words) {
    words.insert(words.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
    return words;
  }

  void expect_refusal(pid_t pid, const std::string& capability) const {
    const WaggleRun run =
        run_words(as_nobody({folder_.path() + "/waggle", "dump", "-p", std::to_string(pid)}));
    EXPECT_EQ(run.status, 3);
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, AllOf(StartsWith("waggle dump: pid " + std::to_string(pid) + ": "),
                               HasSubstr(capability)));
    EXPECT_EQ(line_count(run.err), 1);
  }

 private:
  TempDir folder_;
};

TEST_F(DumpByNobody, of_a_process_of_somebody_else_names_what_is_missing) {
  const TestProgram program({"sh", "-c", "echo ready; exec sleep 1000"});
  expect_refusal(program.pid(), "CAP_SYS_PTRACE");
}

// Whose memory may be read, but not its files.
TEST_F(DumpByNobody, of_an_own_process_names_what_is_missing) {
  const TestProgram program(as_nobody({"sh", "-c", "echo ready; exec sleep 1000"}));
  await_sleep(program.pid());
  expect_refusal(program.pid(), "CAP_CHECKPOINT_RESTORE");
}

}  // namespace
}  // namespace waggle
