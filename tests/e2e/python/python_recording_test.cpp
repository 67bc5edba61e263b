// SPDX-License-Identifier: Apache-2.0
// The programs of tests/programs/python, recorded side by side on every interpreter: what the
// kernel side sees of each is what it states of itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/text.h"
#include "tests/e2e/python/expected_stacks.h"
#include "tests/e2e/python/recorded_stacks.h"
#include "tests/interpreters.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

constexpr std::string_view kResuming = "resumed";  // does nothing but enter and leave generators

// What one program shows in a recording.
struct Seen {
  std::uint64_t samples = 0;
  std::map<Functions, std::uint64_t> stacks;     // of Python alone, root first
  std::map<Functions, std::string> whole_lines;  // one of each
};

struct Recorded {
  std::map<std::string, Seen> programs;  // by file name, "recursion"
  std::uint64_t samples = 0;
  std::uint64_t early = 0;  // from before the interpreter was known: without Python
};

std::string program_of(const std::vector<RecordedFrame>& frames) {
  for (const RecordedFrame& frame : frames) {
    const std::filesystem::path path(frame.file);
    const std::string folder = path.parent_path().filename().string();
    if (folder == "python" || folder.starts_with("waggle-test-")) {  // see Script
      return path.stem().string();
    }
  }
  return "";
}

Recorded read_recording(const CollapsedFile& file) {
  Recorded recorded;
  for (const CollapsedFile::Line& line : file.lines) {
    std::vector<RecordedFrame> frames;
    Functions names;
    for (const std::string& text : line.frames) {
      if (text.ends_with(kPythonSuffix)) {
        frames.push_back(take_apart(text));
        names.push_back(frames.back().name);
      } else if (text.starts_with(kPythonMarker)) {
        names.push_back(text);
      }
    }
    recorded.samples += line.count;
    const std::string program = program_of(frames);
    if (names.empty()) {
      recorded.early += line.count;
      continue;
    }
    Seen& seen = recorded.programs[program];
    seen.samples += line.count;
    seen.stacks[names] += line.count;
    seen.whole_lines.emplace(names, line.stack());
  }
  return recorded;
}

// From 3.11 on a generator is taken out of the list of frames in two steps, and between them it has
// no caller: a marker says so.
bool is_taken_out(const Functions& stack, const std::vector<ExpectedStack>& expected) {
  if (stack.size() < 2 || stack.front() != "[python: unreadable memory]") {
    return false;
  }
  const auto innermost = std::span(stack).subspan(1);
  return std::ranges::any_of(expected, [&](const ExpectedStack& whole) {
    return whole.functions.size() > innermost.size() &&
           std::equal(innermost.rbegin(), innermost.rend(), whole.functions.rbegin());
  });
}

class PythonRecording : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    interpreters_ = find_interpreters(GetParam());
    if (interpreters_.empty()) {
      GTEST_SKIP() << "no Python " << GetParam() << " here";
    }
  }

  std::vector<Interpreter> interpreters_;
};

// Samples that show something else.
std::uint64_t count_wrong(const std::string& name, const Seen& seen,
                          const std::vector<ExpectedStack>& expected) {
  std::uint64_t wrong = 0;
  std::uint64_t taken_out = 0;
  for (const auto& [stack, count] : seen.stacks) {
    const bool is_expected = std::ranges::any_of(
        expected, [&](const ExpectedStack& whole) { return whole.functions == stack; });
    if (!is_expected && name == kResuming && is_taken_out(stack, expected)) {
      taken_out += count;
    } else if (!is_expected) {
      wrong += count;
      std::printf(
          "%s: %llu of %llu samples: %s\n", name.c_str(), static_cast<unsigned long long>(count),
          static_cast<unsigned long long>(seen.samples), ::testing::PrintToString(stack).c_str());
      std::printf("  one of them: %s\n", seen.whole_lines.at(stack).c_str());
    }
  }
  EXPECT_LE(taken_out * 10, seen.samples) << name;
  return wrong;
}

TEST_P(PythonRecording, shows_the_stacks_that_programs_state) {
  for (const Interpreter& interpreter : interpreters_) {
    SCOPED_TRACE(interpreter.program);
    std::map<std::string, std::vector<ExpectedStack>> expected;
    std::vector<std::unique_ptr<Script>> scripts;
    std::vector<std::unique_ptr<TestProgram>> programs;
    std::vector<std::string> command = {"record", "-d", "4", "-F", "999", "-o", "-"};
    const auto add_pid = [&](pid_t pid) {
      command.insert(command.end(), {"-p", std::to_string(pid)});
    };
    for (const std::string& name : list_python_programs(PYTHON_PROGRAMS)) {
      const std::string path = std::string(PYTHON_PROGRAMS) + "/" + name + ".py";
      auto stacks = read_expected_stacks(path, GetParam());
      ASSERT_TRUE(stacks) << stacks.error().what;
      if (stacks->empty() || !interpreter.can_run(name)) {
        continue;
      }
      scripts.push_back(std::make_unique<Script>(interpreter, path, ""));
      programs.push_back(std::make_unique<TestProgram>(scripts.back()->command()));
      ASSERT_EQ(programs.back()->first_line(), "ready");
      add_pid(programs.back()->pid());
      if (name == "forked") {
        const auto child = parse_number<pid_t>(programs.back()->read_line());
        ASSERT_TRUE(child);
        add_pid(*child);
      }
      expected.emplace(name, *std::move(stacks));
    }
    // From the line that says "ready" to where the programs stay.
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const WaggleResult result = run_waggle(command);
    ASSERT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_TRUE(file.adds_up());
    const Recorded recorded = read_recording(file);
    std::uint64_t wrong = 0;
    if (const auto other = recorded.programs.find(""); other != recorded.programs.end()) {
      wrong += count_wrong("of no program", other->second, {});
    }
    for (const auto& [name, stacks] : expected) {
      const auto seen = recorded.programs.find(name);
      ASSERT_NE(seen, recorded.programs.end()) << name << '\n' << result.err;
      EXPECT_GE(seen->second.samples, 20U) << name;
      wrong += count_wrong(name, seen->second, stacks);
    }
    std::printf("%s: %llu samples, %llu of them early, %llu wrong\n", interpreter.program.c_str(),
                static_cast<unsigned long long>(recorded.samples),
                static_cast<unsigned long long>(recorded.early),
                static_cast<unsigned long long>(wrong));
    EXPECT_GE(recorded.samples, 2000U);
    EXPECT_LE(wrong * 1000, recorded.samples);
    // As in tests/e2e/unwind/stacks.h: what runs already has its tables unless the host is busy.
    EXPECT_LE(static_cast<double>(recorded.early), 0.15 * static_cast<double>(recorded.samples));
  }
}

// The number of the program's line that begins with `text`.
std::string line_of(const std::string& path, std::string_view text) {
  const std::string source = read_file(path, 1 << 20).value();
  const std::size_t at = source.find("\n" + std::string(text));
  EXPECT_NE(at, std::string::npos) << text;
  return std::to_string(std::ranges::count(source.substr(0, at + 1), '\n') + 1);
}

TEST_P(PythonRecording, shows_the_line_that_runs_when_it_is_asked_to) {
  const std::string path = std::string(PYTHON_PROGRAMS) + "/recursion.py";
  const std::string module = ":" + line_of(path, "recurse(300)") + ")_[p]";
  const std::string recursion = ":" + line_of(path, "        return recurse(") + ")_[p]";
  const std::string last = ":" + line_of(path, "    return burn()") + ")_[p]";
  const std::string loop = ":" + line_of(path, "    while True:") + ")_[p]";
  const std::string body = ":" + line_of(path, "        x = (x + 1)") + ")_[p]";
  for (const Interpreter& interpreter : interpreters_) {
    SCOPED_TRACE(interpreter.program);
    const Script script(interpreter, path, "");
    const TestProgram program(script.command());
    const WaggleResult result = run_waggle({"record", "--python-lines", "current", "-d", "1", "-F",
                                            "499", "-o", "-", "-p", std::to_string(program.pid())});
    ASSERT_EQ(result.status, 0) << result.err;
    std::uint64_t right = 0;
    std::uint64_t samples = 0;
    for (const CollapsedFile::Line& line : CollapsedFile::parse(result.out).lines) {
      std::vector<std::string> frames = line.frames;
      std::erase_if(frames,
                    [](const std::string& frame) { return !frame.ends_with(kPythonSuffix); });
      if (frames.empty()) {
        continue;  // from before the interpreter was known
      }
      samples += line.count;
      ASSERT_EQ(frames.size(), 302U) << line.stack();
      const bool is_right =
          frames[0].ends_with(module) && frames[300].ends_with(last) &&
          std::all_of(frames.begin() + 1, frames.begin() + 300,
                      [&](const std::string& frame) { return frame.ends_with(recursion); }) &&
          (frames[301].ends_with(body) || frames[301].ends_with(loop));
      EXPECT_TRUE(is_right) << line.count << " samples: " << line.stack();
      right += is_right ? line.count : 0;
    }
    EXPECT_GT(right, 50U) << result.err;
    EXPECT_EQ(right, samples);
  }
}

INSTANTIATE_TEST_SUITE_P(Version, PythonRecording,
                         ::testing::Values("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11",
                                           "3.12", "3.13", "3.14", "3.15", "3.13t", "3.14t",
                                           "3.15t"),
                         version_name);

}  // namespace
}  // namespace waggle
