// SPDX-License-Identifier: Apache-2.0
// The programs of tests/programs/python have the stacks that they state, on every interpreter: each
// is stopped time and again, and read from outside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "tests/e2e/python/expected_stacks.h"
#include "tests/interpreters.h"
#include "tests/process_facts.h"
#include "tests/test_program.h"
#include "userspace/runtimes/python/python_process.h"

namespace waggle {
namespace {

using Functions = std::vector<std::string>;

constexpr int kLooks = 40;

// All threads of a process stand still.
class StandStill {
 public:
  explicit StandStill(pid_t pid) : pid_(pid) {
    CHECK(::kill(pid, SIGSTOP) == 0);
    const std::string folder = "/proc/" + std::to_string(pid) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(folder)) {
      const auto tid = parse_number<pid_t>(task.path().filename().string());
      while (tid && process_state(*tid) != 'T') {
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    }
  }
  StandStill(const StandStill&) = delete;
  StandStill& operator=(const StandStill&) = delete;
  ~StandStill() { (void)::kill(pid_, SIGCONT); }

 private:
  pid_t pid_;
};

// A process with a Python in it, and how it is read.
class Target {
 public:
  explicit Target(pid_t pid) : memory_(pid) {
    PythonFiles files;
    const auto found = find_python(pid, files);
    EXPECT_TRUE(found && found->size() == 1) << (found ? "" : found.error().what);
    if (found && found->size() == 1) {
      target_ = found->front().target;
      const StandStill still(pid);
      const auto proof = prove_python(memory_, target_);
      EXPECT_TRUE(proof) << proof.error().what;
    }
  }

  // Of each thread state, root first; nothing where one was caught between two of its frames.
  [[nodiscard]] std::optional<std::vector<Functions>> look() const {
    const StandStill still(memory_.pid());
    const auto threads = read_python_stacks(memory_, target_);
    if (!threads) {
      return std::nullopt;
    }
    std::vector<Functions> stacks;
    for (const PythonThread& thread : *threads) {
      Functions functions;
      for (const PythonCall& call : thread.calls) {
        auto function = read_python_function(memory_, target_, call);
        if (!function) {
          return std::nullopt;
        }
        functions.push_back(std::move(function->name));
      }
      std::ranges::reverse(functions);
      stacks.push_back(std::move(functions));
    }
    return stacks;
  }

 private:
  ProcessMemory memory_;
  PythonTarget target_{};
};

// What each thread state shows: a part of a stack for each interpreter.
std::vector<Functions> parts_of(const std::vector<ExpectedStack>& expected) {
  std::vector<Functions> parts;
  for (const ExpectedStack& stack : expected) {
    auto rest = stack.functions.begin();
    for (const std::size_t start : stack.interpreter_starts) {
      const auto end = stack.functions.begin() + static_cast<std::ptrdiff_t>(start);
      parts.emplace_back(rest, end);
      rest = end;
    }
    parts.emplace_back(rest, stack.functions.end());
  }
  return parts;
}

// Whether a stack is the innermost part of one of these: from 3.11 on a generator is taken out of
// the list of frames in two steps, and between them it has no caller.
bool is_taken_out(const Functions& stack, const std::vector<Functions>& expected) {
  return !stack.empty() && std::ranges::any_of(expected, [&](const Functions& whole) {
    return whole.size() > stack.size() && std::equal(stack.rbegin(), stack.rend(), whole.rbegin());
  });
}

// Of looks at a program whose stacks change.
void expect_each_now_and_then(const Target& target, const std::vector<Functions>& expected) {
  std::map<Functions, int> seen;
  int unreadable = 0;
  int taken_out = 0;
  int looks = 0;
  for (; looks < 30 * kLooks && (looks < kLooks || seen.size() < expected.size()); ++looks) {
    const auto stacks = target.look();
    unreadable += stacks ? 0 : 1;
    for (const Functions& stack : stacks.value_or(std::vector<Functions>())) {
      ++seen[stack];
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  EXPECT_LE(unreadable, looks / 10);
  for (const auto& [stack, count] : seen) {
    const bool is_expected = std::ranges::count(expected, stack) != 0;
    if (!is_expected && is_taken_out(stack, expected)) {
      taken_out += count;
    } else {
      EXPECT_TRUE(is_expected) << ::testing::PrintToString(stack) << ' ' << count << " times";
    }
  }
  EXPECT_LE(taken_out, looks / 10);
  for (const Functions& stack : expected) {
    EXPECT_TRUE(seen.contains(stack)) << ::testing::PrintToString(stack);
  }
}

// From the line that says "ready" to where the program stays: in 2.7 a thread can wait long for the
// others to let it go on.
void wait_for_all(const Target& target, const std::vector<Functions>& expected) {
  constexpr int kMostLooks = 5000;
  for (int look = 0; look < kMostLooks; ++look) {
    const auto stacks = target.look();
    if (stacks && std::ranges::is_permutation(*stacks, expected)) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void expect_all_each_time(const Target& target, const std::vector<Functions>& expected) {
  wait_for_all(target, expected);
  for (int look = 0; look < kLooks; ++look) {
    const auto stacks = target.look();
    ASSERT_TRUE(stacks);
    ASSERT_THAT(*stacks, ::testing::UnorderedElementsAreArray(expected));
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
}

class PythonPrograms : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    interpreters_ = find_interpreters(GetParam());
    if (interpreters_.empty()) {
      GTEST_SKIP() << "no Python " << GetParam() << " here";
    }
  }

  static std::vector<ExpectedStack> expected_of(const std::string& path) {
    auto expected = read_expected_stacks(path, GetParam());
    EXPECT_TRUE(expected) << expected.error().what;
    return expected.value_or(std::vector<ExpectedStack>());
  }

  std::vector<Interpreter> interpreters_;
};

std::string path_of(const std::string& program) {
  return std::string(PYTHON_PROGRAMS) + "/" + program + ".py";
}

const std::vector<std::string> kChanging = {"raising", "resumed"};

TEST_P(PythonPrograms, have_the_stacks_that_they_state) {
  for (const Interpreter& interpreter : interpreters_) {
    for (const std::string& name : list_python_programs(PYTHON_PROGRAMS)) {
      SCOPED_TRACE(interpreter.program + " " + name);
      const auto expected = expected_of(path_of(name));
      if (expected.empty() || name == "forked" || !interpreter.can_run(name)) {
        continue;
      }
      const Script script(interpreter, path_of(name), "");
      const TestProgram program(script.command());
      ASSERT_EQ(program.first_line(), "ready");
      // From the line that says so to where the program stays.
      std::this_thread::sleep_for(std::chrono::milliseconds(name == "threads" ? 500 : 20));
      const Target target(program.pid());
      if (std::ranges::count(kChanging, name) != 0) {
        expect_each_now_and_then(target, parts_of(expected));
      } else {
        expect_all_each_time(target, parts_of(expected));
      }
    }
  }
}

TEST_P(PythonPrograms, have_them_in_a_child_without_exec) {
  const auto expected = expected_of(path_of("forked"));
  ASSERT_EQ(expected.size(), 2U);
  for (const Interpreter& interpreter : interpreters_) {
    SCOPED_TRACE(interpreter.program);
    const Script script(interpreter, path_of("forked"), "");
    TestProgram program(script.command());
    ASSERT_EQ(program.first_line(), "ready");
    const auto child = parse_number<pid_t>(program.read_line());
    ASSERT_TRUE(child);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    expect_all_each_time(Target(program.pid()), {expected[0].functions});
    expect_all_each_time(Target(*child), {expected[1].functions});
  }
}

// Where the interpreter has a library.
std::optional<std::string> library_of(const Interpreter& interpreter, const std::string& version) {
  const auto prefix = std::filesystem::path(interpreter.program).parent_path().parent_path();
  for (const std::string& ending : {version, version + "m"}) {
    const auto library = prefix / "lib" / ("libpython" + ending + ".so.1.0");
    if (interpreter.root.empty() && std::filesystem::exists(library)) {
      return library.string();
    }
  }
  return std::nullopt;
}

TEST_P(PythonPrograms, have_them_in_threads_of_c_that_come_and_go) {
  bool has_run = false;
  for (const Interpreter& interpreter : interpreters_) {
    const auto library = library_of(interpreter, GetParam());
    if (!library) {
      continue;
    }
    SCOPED_TRACE(*library);
    const auto home = std::filesystem::path(*library).parent_path().parent_path();
    ASSERT_EQ(::setenv("PYTHONHOME", home.c_str(), 1), 0);
    const TestProgram program({PYTHON_GILSTATE, *library});
    ASSERT_EQ(::unsetenv("PYTHONHOME"), 0);
    ASSERT_EQ(program.first_line(), "ready");
    expect_each_now_and_then(Target(program.pid()), [] {
      std::vector<Functions> parts = parts_of(expected_of(PYTHON_GILSTATE_SOURCE));
      std::ranges::sort(parts);
      parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
      return parts;
    }());
    has_run = true;
  }
  if (!has_run) {
    GTEST_SKIP() << "no library of Python " << GetParam() << " here";
  }
}

INSTANTIATE_TEST_SUITE_P(Version, PythonPrograms,
                         ::testing::Values("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11",
                                           "3.12", "3.13", "3.14", "3.15", "3.13t", "3.14t",
                                           "3.15t"),
                         version_name);

constexpr const char* kText = R"(
# Not this: stack
# expected:
# versions 2.7,3.6-
# stack
#   <module>
#   old [-3.10]
#   New.method [3.11-]
#   recurse *3 [3.6,3.8-3.9]
# idle worker n=1..2
#   descend *n
#   -- interpreter
#   burn
# end
# stack after
)";

TEST(ExpectedStacks, differ_by_version) {
  const auto of_3_9 = parse_expected_stacks(kText, "3.9");
  ASSERT_TRUE(of_3_9) << of_3_9.error().what;
  ASSERT_EQ(of_3_9->size(), 3U);
  EXPECT_EQ((*of_3_9)[0].functions,
            (Functions{"<module>", "old", "recurse", "recurse", "recurse"}));
  EXPECT_FALSE((*of_3_9)[0].is_idle);
  EXPECT_EQ(parse_expected_stacks(kText, "3.13t")->front().functions,
            (Functions{"<module>", "New.method"}));
  EXPECT_EQ(parse_expected_stacks(kText, "3.7")->front().functions, (Functions{"<module>", "old"}));
  EXPECT_TRUE(parse_expected_stacks(kText, "3.5")->empty());
}

TEST(ExpectedStacks, are_one_for_each_value_of_n) {
  const auto stacks = parse_expected_stacks(kText, "3.9");
  ASSERT_TRUE(stacks);
  EXPECT_EQ((*stacks)[2].label, "worker 2");
  EXPECT_TRUE((*stacks)[2].is_idle);
  EXPECT_EQ((*stacks)[2].functions, (Functions{"descend", "descend", "burn"}));
  EXPECT_EQ((*stacks)[2].interpreter_starts, (std::vector<std::size_t>{2}));
}

TEST(ExpectedStacks, name_the_line_that_cannot_be_read) {
  const auto error = [](const std::string& line) {
    const auto stacks = parse_expected_stacks("# expected:\n# stack\n" + line + "\n# end\n", "3.9");
    return stacks ? "" : stacks.error().what;
  };
  EXPECT_EQ(error("#   f *2"), "");
  for (const std::string line : {"#   f g", "#   f *n", "#   f [3]", "#   f *x", "# stack n=0..1",
                                 "# stack n=2..1", "code", "#   -- other"}) {
    EXPECT_EQ(error(line), "line 3: " + line);
  }
  EXPECT_FALSE(parse_expected_stacks("# expected:\n# stack\n", "3.9"));
  EXPECT_FALSE(parse_expected_stacks("", "3.9"));
}

}  // namespace
}  // namespace waggle
