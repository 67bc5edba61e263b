// SPDX-License-Identifier: Apache-2.0
// Interpreters of every version stand in known stacks (tests/programs/python_stacks.py), and are
// read from outside by the kernel side's own steps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file.h"
#include "tests/interpreters.h"
#include "tests/live_tables.h"
#include "tests/test_program.h"
#include "userspace/runtimes/python/python_process.h"

namespace waggle {
namespace {

using ::testing::ElementsAreArray;

using Lines = std::vector<std::string>;

// The line of the program that ends in "# at NAME".
std::int32_t line_at(std::string_view name) {
  static const Lines lines = [] {
    Lines read;
    std::istringstream text(read_file(PYTHON_STACKS, 1 << 20).value());
    for (std::string line; std::getline(text, line);) {
      read.push_back(line);
    }
    return read;
  }();
  const std::string mark = "# at " + std::string(name);
  const auto found =
      std::ranges::find_if(lines, [&](const std::string& line) { return line.ends_with(mark); });
  EXPECT_NE(found, lines.end()) << name;
  return static_cast<std::int32_t>(found - lines.begin()) + 1;
}

unsigned minor_of(const std::string& version) {
  unsigned minor = 0;
  const std::string_view text = std::string_view(version).substr(2);
  std::from_chars(text.data(), text.data() + text.size(), minor);
  return minor;
}

// What differs between the versions.
struct Version {
  explicit Version(const std::string& version)
      : is_3(version.starts_with('3')), minor(minor_of(version)) {}

  [[nodiscard]] bool since(unsigned wanted) const { return is_3 && minor >= wanted; }
  // A name where it is qualified, and where it is not.
  [[nodiscard]] std::string name(const std::string& qualified, const std::string& plain) const {
    return since(11) ? qualified : plain;
  }

  bool is_3;
  unsigned minor;
};

// A running case, found and proven.
class Running {
 public:
  Running(const Interpreter& interpreter, const std::string& name)
      : is_musl_(interpreter.root == musl_root()),
        script_(interpreter, PYTHON_STACKS, name),
        program_(script_.command()),
        memory_(program_.pid()) {}

  [[nodiscard]] bool is_ready() const { return program_.first_line() == "ready"; }
  [[nodiscard]] pid_t pid() const { return program_.pid(); }
  [[nodiscard]] const ProcessMemory& memory() const { return memory_; }
  [[nodiscard]] const std::string& script() const { return script_.path(); }
  // Its C library has no call frame information, so native stacks end where it calls main().
  [[nodiscard]] bool is_musl() const { return is_musl_; }

  // Once the program has gone on to its sleep.
  void prove() {
    PythonFiles files;
    const auto found = find_python(program_.pid(), files);
    ASSERT_TRUE(found) << found.error().what;
    ASSERT_EQ(found->size(), 1U);
    EXPECT_FALSE(found->front().is_guess);
    target_ = found->front().target;
    const auto proof = prove_python(memory_, target_);
    ASSERT_TRUE(proof) << proof.error().what;
    ASSERT_EQ(*proof, PythonProof::proven);
  }

  [[nodiscard]] const PythonTarget& target() const { return target_; }

  // "name:line", "!" behind it where it was entered from C, innermost first; of files other than
  // the script with the file.
  [[nodiscard]] Lines describe(const PythonThread& thread, bool with_entries) const {
    Lines lines;
    for (const PythonCall& call : thread.calls) {
      const auto function = read_python_function(memory_, target_, call);
      EXPECT_TRUE(function) << function.error().what;
      if (!function) {
        continue;
      }
      std::string text = function->name + ":" + std::to_string(function->line.value_or(-1));
      if (function->file != script_.path()) {
        text += "@" + function->file;
      }
      if (with_entries && call.is_entry) {
        text += "!";
      }
      lines.push_back(text);
    }
    return lines;
  }

  // The threads, once the one that sleeps last is where it stays.
  [[nodiscard]] std::vector<PythonThread> threads() const {
    std::vector<PythonThread> before;
    for (int look = 0; look < 100; ++look) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      auto now = read_python_stacks(memory_, target_);
      if (now && look > 0 && is_same(*now, before)) {
        return before;
      }
      before = now ? *std::move(now) : std::vector<PythonThread>();
    }
    return before;
  }

 private:
  static bool is_same(const std::vector<PythonThread>& a, const std::vector<PythonThread>& b) {
    return std::ranges::equal(a, b, [](const PythonThread& x, const PythonThread& y) {
      return std::ranges::equal(x.calls, y.calls, [](const PythonCall& p, const PythonCall& q) {
        return p.code == q.code && p.position == q.position;
      });
    });
  }

  bool is_musl_;
  Script script_;
  TestProgram program_;
  ProcessMemory memory_;
  PythonTarget target_{};
};

std::string at(const std::string& name, std::string_view mark) {
  return name + ":" + std::to_string(line_at(mark));
}

class PythonStacks : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    interpreters_ = find_interpreters(GetParam());
    if (interpreters_.empty()) {
      GTEST_SKIP() << "no Python " << GetParam() << " here";
    }
  }

  // Each interpreter, once it runs the script's case and its layout is proven.
  template <class F>
  void for_each_running(const std::string& name, F&& check) {
    for (const Interpreter& interpreter : interpreters_) {
      SCOPED_TRACE(interpreter.program + " " + name);
      Running running(interpreter, name);
      ASSERT_TRUE(running.is_ready());
      running.prove();
      if (HasFatalFailure()) {
        return;
      }
      check(running);
      if (HasFatalFailure()) {
        return;
      }
    }
  }

  // Of each interpreter, the stack of the only thread.
  template <class F>
  void for_each(const std::string& name, bool with_entries, F&& check) {
    for_each_running(name, [&](Running& running) {
      const auto threads = running.threads();
      ASSERT_EQ(threads.size(), 1U);
      EXPECT_FALSE(threads[0].is_attached);  // it sleeps without the GIL
      check(running.describe(threads[0], with_entries));
    });
  }

  [[nodiscard]] Version version() const { return Version(GetParam()); }

  // `frames` from the innermost on, and the module that calls the last.
  void expect_stack(const std::string& name, Lines frames) {
    frames.push_back(at("<module>", "module"));
    for_each(name, false,
             [&](const Lines& found) { EXPECT_THAT(found, ElementsAreArray(frames)); });
  }

  std::vector<Interpreter> interpreters_;
};

TEST_P(PythonStacks, shows_a_recursion_300_deep_whole) {
  Lines frames = {at("wait", "wait"), at("recurse", "recurse_end")};
  frames.insert(frames.end(), 299, at("recurse", "recurse"));
  frames.push_back(at("case_recursion", "case_recursion"));
  expect_stack("recursion", frames);
}

TEST_P(PythonStacks, shows_methods_with_their_class) {
  const Version v = version();
  expect_stack(
      "methods",
      {at("wait", "wait"), at(v.name("Shape.static.<locals>.<lambda>", "<lambda>"), "Shape.static"),
       at(v.name("Shape.static", "static"), "Shape.static"), at("Shape.make", "Shape.make"),
       at("Shape.method", "Shape.method"), at("case_methods", "case_methods")});
}

TEST_P(PythonStacks, shows_the_class_of_a_method_whose_self_an_inner_function_uses) {
  const Version v = version();
  expect_stack("closure",
               {at("wait", "wait"), at("Shape.leaf", "Shape.leaf"),
                at(v.name("Shape.captured.<locals>.inner", "inner"), "inner"),
                at("Shape.captured", "Shape.captured"), at("case_closure", "case_closure")});
}

TEST_P(PythonStacks, shows_the_class_of_a_method_of_an_old_style_class) {
  expect_stack("old_style", {at("wait", "wait"), at("Old.method", "Old.method"),
                             at("Old.make", "Old.make"), at("case_old_style", "case_old_style")});
}

TEST_P(PythonStacks, shows_generators_below_their_consumer) {
  expect_stack("generator", {at("wait", "wait"), at("count_down", "count_down"),
                             at("pass_on", "pass_on"), at("case_generator", "case_generator")});
}

TEST_P(PythonStacks, shows_a_comprehension_as_the_version_runs_it) {
  const Version v = version();
  Lines frames = {at("wait", "wait")};
  if (v.is_3 && !v.since(12)) {
    frames.push_back(
        at(v.name("case_comprehension.<locals>.<listcomp>", "<listcomp>"), "case_comprehension"));
  }
  frames.push_back(at("case_comprehension", "case_comprehension"));
  expect_stack("comprehension", frames);
}

TEST_P(PythonStacks, shows_code_without_a_file) {
  expect_stack("exec", {at("wait", "wait"), "made:2@<made up>", "<module>:3@<made up>",
                        at("case_exec", "case_exec")});
}

TEST_P(PythonStacks, shows_a_handler_of_an_exception) {
  expect_stack("exception", {at("wait", "wait"), at("case_exception", "case_exception")});
}

TEST_P(PythonStacks, shows_names_of_every_width_of_characters) {
  if (!version().is_3) {
    GTEST_SKIP() << "2.7 has ASCII identifiers";
  }
  const std::string file = "@/tmp/путь/🐍.py";
  for_each("names", false, [&](const Lines& found) {
    ASSERT_EQ(found.size(), 8U);
    EXPECT_EQ(found[1], "𐐨:5" + file);
    EXPECT_EQ(found[2], "名前:4" + file);
    EXPECT_EQ(found[3], "имя:3" + file);
    EXPECT_EQ(found[4], "Café.résumé:2" + file);
    EXPECT_EQ(found[5], "<module>:6" + file);
  });
}

TEST_P(PythonStacks, marks_what_was_entered_from_c) {
  const Version v = version();
  const bool are_all = !v.since(11);
  const auto call = [&](const std::string& text) { return are_all ? text + "!" : text; };
  const Lines frames = {
      call(at("wait", "wait")), at("key_of", "key_of") + "!",
      at(v.name("case_nested_callback.<locals>.<lambda>", "<lambda>"), "case_nested_callback") +
          "!",
      call(at("case_nested_callback", "case_nested_callback")), at("<module>", "module") + "!"};
  for_each("nested_callback", true,
           [&](const Lines& found) { EXPECT_THAT(found, ElementsAreArray(frames)); });
}

TEST_P(PythonStacks, shows_each_of_50_threads) {
  for_each_running("threads", [](Running& running) {
    std::set<std::ptrdiff_t> depths;
    std::set<std::uint64_t> ids;
    for (const PythonThread& thread : running.threads()) {
      ids.insert(thread.id);
      const Lines found = running.describe(thread, false);
      if (found.size() < 3 || found[0] != at("Worker.forever", "Worker.forever")) {
        EXPECT_THAT(found, ElementsAreArray({at("wait", "wait"), at("case_threads", "case_threads"),
                                             at("<module>", "module")}));
        continue;
      }
      const auto is_recursion = [](const std::string& text) {
        return text.starts_with("recurse:");
      };
      depths.insert(std::ranges::count_if(found, is_recursion));
      EXPECT_TRUE(std::ranges::count(found, at("Worker.run", "Worker.run")) == 1);
    }
    EXPECT_EQ(ids.size(), 51U);
    ASSERT_EQ(depths.size(), 50U);
    EXPECT_EQ(*depths.begin(), 1);
    EXPECT_EQ(*depths.rbegin(), 50);
  });
}

TEST_P(PythonStacks, shows_the_frames_of_subinterpreters) {
  const Version v = version();
  if (!v.since(8)) {
    GTEST_SKIP() << "no module for subinterpreters before 3.8";
  }
  for_each_running("subinterpreter", [](Running& running) {
    std::set<std::uint64_t> with_frames;
    std::set<std::uint64_t> ids;
    std::vector<Lines> stacks;
    for (const PythonThread& thread : running.threads()) {
      ids.insert(thread.id);
      if (!thread.calls.empty()) {
        with_frames.insert(thread.interpreter);
        stacks.push_back(running.describe(thread, false));
      }
    }
    EXPECT_EQ(ids.size(), 1U);  // one thread, a state of it in each
    EXPECT_EQ(with_frames.size(), 2U);
    const auto is_inner = [](const Lines& stack) {
      return stack.size() == 1 && stack[0].starts_with("<module>:4@<");
    };
    EXPECT_EQ(std::ranges::count_if(stacks, is_inner), 1);
  });
}

// A thread of another process, stopped for a look at a time.
class Stopped {
 public:
  explicit Stopped(pid_t pid) : pid_(pid) {
    is_seized_ = ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
  }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;
  ~Stopped() = default;  // the program is killed

  [[nodiscard]] bool is_seized() const { return is_seized_; }

  template <class F>
  bool look(F&& at_registers) const {
    int status = 0;
    if (::ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr) != 0 ||
        ::waitpid(pid_, &status, __WALL) != pid_ || !WIFSTOPPED(status)) {
      return false;
    }
    user_regs_struct regs{};
    const bool has_read = ::ptrace(PTRACE_GETREGS, pid_, nullptr, &regs) == 0;
    if (has_read) {
      at_registers(regs);
    }
    return ::ptrace(PTRACE_CONT, pid_, nullptr, nullptr) == 0 && has_read;
  }

 private:
  pid_t pid_;
  bool is_seized_ = false;
};

bool is_in_loop(const py_process& process, std::uint64_t address) {
  return std::any_of(process.loops, process.loops + process.loop_count, [&](const py_range& loop) {
    return address >= loop.start && address < loop.end;
  });
}

// A native frame of the evaluation loop: [sp, CFA).
struct Evaluation {
  std::uint64_t start;
  std::uint64_t end;
};

// Innermost first; nothing when the stack could not be walked to its end.
std::optional<std::vector<Evaluation>> find_evaluations(LiveTables& tables, const Running& running,
                                                        const user_regs_struct& start) {
  constexpr int kMaxFrames = 200;
  unw_memory memory = {running.pid()};
  unw_registers regs = {start.rip, start.rsp, start.rbp};
  std::vector<Evaluation> found;
  bool is_return_address = false;
  for (int turn = 0; turn < kMaxFrames; ++turn) {
    const std::uint64_t pc = regs.ip - (is_return_address ? 1 : 0);
    const std::uint64_t sp = regs.sp;
    const auto known = tables.find_rule(pc);
    if (!known && turn > 0 && running.is_musl()) {
      return found;
    }
    const unw_rule rule = known.value_or(unw_rule{});
    if (turn > 0 && rule.cfa == UNW_CFA_OTHER) {
      return std::nullopt;
    }
    const unw_outcome outcome = unw_step_rule(&memory, &regs, &rule, 0);
    if (outcome != UNW_STEPPED) {
      return outcome == UNW_COMPLETE ? std::optional(found) : std::nullopt;
    }
    if (is_in_loop(running.target().process, pc)) {
      found.push_back({sp, regs.sp});
    }
    is_return_address = rule.is_signal_frame == 0;
  }
  return std::nullopt;
}

std::vector<PythonCall> entries_of(const PythonThread& thread) {
  std::vector<PythonCall> entries;
  std::ranges::copy_if(thread.calls, std::back_inserter(entries), &PythonCall::is_entry);
  return entries;
}

// What looks at one thread have found.
struct Looks {
  int whole = 0;  // the native stack could be walked to its end
  int different = 0;
  int far_apart = 0;  // by more than one
  int unreadable = 0;
  int shims = 0;
  int shims_elsewhere = 0;  // not in the native frame of their evaluation
  int in_loop = 0;
  int attached = 0;
  std::set<std::size_t> evaluations;
};

constexpr int kLooks = 200;

// Counts from the outermost on: the innermost evaluation may have no entry yet, or not any more.
void compare(const std::vector<Evaluation>& evaluations, const std::vector<PythonCall>& entries,
             Looks& looks) {
  ++looks.whole;
  looks.different += evaluations.size() != entries.size() ? 1 : 0;
  looks.far_apart +=
      evaluations.size() > entries.size() + 1 || entries.size() > evaluations.size() + 1 ? 1 : 0;
  looks.evaluations.insert(evaluations.size());
  for (std::size_t i = 1; i <= std::min(evaluations.size(), entries.size()); ++i) {
    const Evaluation& evaluation = evaluations[evaluations.size() - i];
    const std::uint64_t shim = entries[entries.size() - i].shim;
    looks.shims += shim != 0 ? 1 : 0;
    looks.shims_elsewhere +=
        shim != 0 && (shim < evaluation.start || shim >= evaluation.end) ? 1 : 0;
  }
}

void look_at(const Running& running, Looks& looks) {
  LiveTables tables;
  tables.read_maps(running.pid());
  (void)running.threads();  // until it has said that it is ready, for which it gives the GIL up
  const Stopped stopped(running.pid());
  ASSERT_TRUE(stopped.is_seized());
  const PythonTarget& target = running.target();
  for (int i = 0; i < kLooks; ++i) {
    ASSERT_TRUE(stopped.look([&](const user_regs_struct& regs) {
      const auto threads = read_python_stacks(running.memory(), target);
      looks.in_loop += is_in_loop(target.process, regs.rip) ? 1 : 0;
      if (!threads) {
        ++looks.unreadable;
        return;
      }
      ASSERT_EQ(threads->size(), 1U);
      looks.attached += threads->front().is_attached ? 1 : 0;
      if (const auto evaluations = find_evaluations(tables, running, regs)) {
        compare(*evaluations, entries_of(threads->front()), looks);
      }
    }));
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
}

// What joins native and Python frames: one evaluation on the native stack for each entry.  Where
// the loop has a part that was not found, evaluations are missing; where foreign code is taken for
// it, there are too many.
TEST_P(PythonStacks, has_an_evaluation_on_the_native_stack_for_each_entry) {
  for (const char* name : {"spin", "spin_callback"}) {
    for_each_running(name, [this](Running& running) {
      Looks looks;
      look_at(running, looks);
      if (HasFatalFailure()) {
        return;
      }
      EXPECT_GT(looks.whole, kLooks * 9 / 10);
      EXPECT_GT(looks.in_loop, kLooks / 20);  // mostly it is in what adds and divides
      EXPECT_EQ(looks.attached, kLooks);      // it has the GIL all the time
      EXPECT_EQ(looks.different, 0);
      EXPECT_EQ(looks.unreadable, 0);
      EXPECT_EQ(looks.shims_elsewhere, 0);
      EXPECT_EQ(looks.shims > 0, version().since(12));
      EXPECT_EQ(looks.evaluations.size(), 1U);
    });
    if (HasFatalFailure()) {
      return;
    }
  }
}

// In the first and last instructions of an evaluation its frame is not linked, or not any more.
TEST_P(PythonStacks, has_one_evaluation_more_or_less_while_it_enters_or_leaves_one) {
  for_each_running("spin_calls", [this](Running& running) {
    Looks looks;
    look_at(running, looks);
    if (HasFatalFailure()) {
      return;
    }
    EXPECT_GT(looks.whole, kLooks * 9 / 10);
    EXPECT_EQ(looks.far_apart, 0);
    EXPECT_EQ(looks.shims_elsewhere, 0);
    // In 3.11 and 3.12 a cframe is linked eight instructions before it is filled.
    const bool has_cframe = version().since(11) && !version().since(13);
    EXPECT_LE(looks.unreadable, has_cframe ? kLooks / 20 : 0);
    RecordProperty("one apart", looks.different);
  });
}

INSTANTIATE_TEST_SUITE_P(Version, PythonStacks,
                         ::testing::Values("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11",
                                           "3.12", "3.13", "3.14", "3.15", "3.13t", "3.14t",
                                           "3.15t"),
                         version_name);

// A copy of the first interpreter with a shared library, for tests that delete it.
std::optional<std::filesystem::path> find_library() {
  for (const char* version : {"3.12", "3.11", "3.10", "3.9", "3.8"}) {
    for (const Interpreter& interpreter : find_interpreters(version)) {
      auto library = std::filesystem::path(interpreter.program).parent_path().parent_path() /
                     "lib" / ("libpython" + std::string(version) + ".so.1.0");
      if (interpreter.root.empty() && std::filesystem::exists(library)) {
        return library;
      }
    }
  }
  return std::nullopt;
}

void expect_to_find(pid_t pid, const std::string& path) {
  PythonFiles files;
  const auto found = find_python(pid, files);
  ASSERT_TRUE(found) << found.error().what;
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().path, path);
  PythonTarget target = found->front().target;
  const ProcessMemory memory(pid);
  const auto proof = prove_python(memory, target);
  ASSERT_TRUE(proof) << proof.error().what;
  EXPECT_EQ(*proof, PythonProof::proven);
}

constexpr const char* kSleeper =
    "import os, time\nos.write(1, b'ready\\n')\nwhile True: time.sleep(1000)\n";

TEST(PythonDiscovery, finds_the_python_in_a_program_that_embeds_it_and_whose_library_is_gone) {
  const auto library = find_library();
  if (!library) {
    GTEST_SKIP() << "no libpython here";
  }
  const TempDir folder;
  const std::string copy = folder.path() + "/plugin.so";
  std::filesystem::copy_file(*library, copy);
  ASSERT_EQ(::setenv("PYTHONHOME", library->parent_path().parent_path().c_str(), 1), 0);
  const TestProgram program({PYTHON_EMBEDDED, copy, kSleeper});
  ASSERT_EQ(::unsetenv("PYTHONHOME"), 0);
  ASSERT_EQ(program.first_line(), "ready");
  expect_to_find(program.pid(), copy);
  std::filesystem::remove(copy);
  expect_to_find(program.pid(), copy);
  std::filesystem::copy_file("/bin/true", copy);  // another file at its place
  expect_to_find(program.pid(), copy);
}

TEST(PythonDiscovery, finds_a_static_interpreter_under_another_name) {
  const auto debian = find_interpreters("3.11");
  if (debian.empty() || debian.front().program != "/usr/bin/python3.11") {
    GTEST_SKIP() << "no static Python here";
  }
  const TempDir folder;
  const std::string copy = folder.path() + "/service";
  std::filesystem::copy_file(debian.front().program, copy);
  ASSERT_EQ(::setenv("PYTHONHOME", "/usr", 1), 0);
  const TestProgram program({copy, "-c", kSleeper});
  ASSERT_EQ(::unsetenv("PYTHONHOME"), 0);
  expect_to_find(program.pid(), copy);
}

TEST(PythonDiscovery, finds_none_in_a_process_without_python) {
  PythonFiles files;
  const auto found = find_python(::getpid(), files);
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_TRUE(found->empty());
}

}  // namespace
}  // namespace waggle
