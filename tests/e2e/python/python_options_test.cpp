// SPDX-License-Identifier: Apache-2.0
// What the options of Python show of it.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/text.h"
#include "tests/e2e/python/recorded_pythons.h"
#include "tests/e2e/python/recorded_stacks.h"
#include "tests/interpreters.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

namespace fs = std::filesystem;
using testing::PrintToString;

// Two interpreters at work, and what a recording with these options shows of them.
class PythonOptions : public testing::Test {
 protected:
  void SetUp() override {
    const Words found = find_local(kVersion);
    if (found.empty()) {
      GTEST_SKIP() << "no Python " << kVersion << " here";
    }
    for (const std::string comm : {"first", "second"}) {
      const std::string link = dir_.path() + "/" + comm;
      fs::create_symlink(found.front(), link);
      programs_.push_back(
          std::make_unique<TestProgram>(Words{link, "-B", python_program("callback_sort")}));
      ASSERT_EQ(programs_.back()->first_line(), "ready");
    }
  }

  CollapsedFile record(const Words& options) {
    Words command = {"record", "-d", "2", "-F", "499", "-o", "-"};
    for (const auto& program : programs_) {
      command.insert(command.end(), {"-p", std::to_string(program->pid())});
    }
    command.insert(command.end(), options.begin(), options.end());
    const WaggleResult result = run_waggle(command);
    messages_ = result.err;
    return profile_of(result);
  }

  static Share compare_with_stated(const CollapsedFile& file, const std::string& comm) {
    const Share share = compare(file, comm, stated_by(python_program("callback_sort"), kVersion));
    EXPECT_GE(share.all(), 20U) << comm;
    EXPECT_EQ(share.wrong, 0U) << comm;
    return share;
  }
  static void expect_python(const CollapsedFile& file, const std::string& comm) {
    const Share share = compare_with_stated(file, comm);
    EXPECT_GE(static_cast<double>(share.right), 0.85 * static_cast<double>(share.all()))
        << file.text_of(comm);
  }
  // Of the stacks that native frames could be walked for: on a busy host tables come late.
  static double share_of_whole(const CollapsedFile& file, const std::string& comm,
                               const std::string& part) {
    std::uint64_t with_part = 0;
    std::uint64_t all = 0;
    for (const CollapsedFile::Line& line : file.lines) {
      const std::string stack = line.stack();
      if (line.comm == comm && stack.find("[truncated") == std::string::npos) {
        all += line.count;
        with_part += stack.find(part) != std::string::npos ? line.count : 0;
      }
    }
    EXPECT_GE(all, 20U) << file.text_of(comm);
    return static_cast<double>(with_part) / static_cast<double>(all);
  }
  // Nothing tells of Python, and the frames of its loop are those of any program.
  static void expect_native(const CollapsedFile& file, const std::string& comm) {
    EXPECT_EQ(compare_with_stated(file, comm).right, 0U);
    EXPECT_EQ(file.count_of(comm, "_[p"), 0U) << file.text_of(comm);
    EXPECT_GE(share_of_whole(file, comm, ";_PyEval_EvalFrameDefault;"), 0.95) << file.text_of(comm);
  }

  static constexpr const char* kVersion = "3.11";
  TempDir dir_;
  std::vector<std::unique_ptr<TestProgram>> programs_;
  std::string messages_;
};

TEST_F(PythonOptions, walk_python_in_these_modes) {
  for (const std::string mode : {"auto", "ebpf", "pyperf"}) {
    SCOPED_TRACE(mode);
    const CollapsedFile file = record({"--python-mode", mode});
    expect_python(file, "first");
    expect_python(file, "second");
    // Its frames stand in the place of the loop's.
    EXPECT_LE(file.share_of("first", "_PyEval_EvalFrameDefault"), 0.15) << file.text_of("first");
    EXPECT_GE(share_of_whole(file, "first", ";_start_[pn];"), 0.95) << file.text_of("first");
  }
}

TEST_F(PythonOptions, leave_python_native) {
  for (const Words& options : {Words{"--no-python"}, Words{"--python-mode", "disabled"},
                               Words{"--python-mode", "ebpf", "--no-python"}}) {
    SCOPED_TRACE(PrintToString(options));
    const CollapsedFile file = record(options);
    expect_native(file, "first");
    expect_native(file, "second");
  }
}

// Each run of Python frames stands below the frame of the loop that runs it: two callbacks, and the
// program itself.
TEST_F(PythonOptions, keep_the_frames_of_the_loop) {
  const CollapsedFile file = record({"--python-eval-frames"});
  for (const std::string comm : {"first", "second"}) {
    expect_python(file, comm);
    std::uint64_t whole = 0;
    for (const CollapsedFile::Line& line : file.lines) {
      Functions pattern;
      for (const std::string& frame : line.frames) {
        const bool is_loop = frame.starts_with("_PyEval_EvalFrameDefault_[p");
        const bool is_python = frame.ends_with(kPythonSuffix);
        if (is_loop || is_python) {
          pattern.emplace_back(is_loop ? "loop" : take_apart(frame).name);
        }
      }
      const bool is_whole = pattern == Functions{"loop", "<module>",  "loop", "outer_key",
                                                 "loop", "inner_key", "burn"};
      whole += line.comm == comm && is_whole ? line.count : 0;
    }
    EXPECT_GE(static_cast<double>(whole), 0.85 * static_cast<double>(file.count_of(comm)))
        << file.text_of(comm);
  }
}

TEST_F(PythonOptions, walk_no_more_processes_than_asked_for) {
  const auto lines_with = [this](const std::string& part) {
    const auto lines = split(messages_, '\n');
    return std::ranges::count_if(
        lines, [&](std::string_view line) { return line.find(part) != std::string_view::npos; });
  };
  const std::string option = "--python-skip-pyperf-profiler-above";
  const CollapsedFile one = record({option, "1", "--python-mode", "ebpf"});
  const bool is_first = compare_with_stated(one, "first").right != 0;
  expect_python(one, is_first ? "first" : "second");
  expect_native(one, is_first ? "second" : "first");
  EXPECT_EQ(lines_with(option), 1) << messages_;
  for (const std::string enough : {"2", "0"}) {
    const CollapsedFile both = record({option, enough});
    expect_python(both, "first");
    expect_python(both, "second");
    EXPECT_EQ(lines_with(option), 0) << messages_;
  }
}

// A package of the test's own, in the root that its interpreter sees: a virtual environment's
// folder, or a container's.
class PythonVersions : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    for (const Interpreter& interpreter : find_interpreters(GetParam())) {
      interpreter_ = interpreter;
    }
    if (interpreter_.program.empty()) {
      GTEST_SKIP() << "no Python " << GetParam() << " here";
    }
    folder_ = interpreter_.root + "/tmp/waggle-test-XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    const std::string packages = folder_ + "/lib/site-packages";
    const std::string info = packages + "/Busy_Work-4.5.6rc1.dist-info";
    fs::create_directories(packages + "/busy");
    fs::create_directories(info);
    write(packages + "/busy/__init__.py", "");
    write(packages + "/busy/work.py",
          "import sys\ndef at_work():\n    sys.stdout.write('ready\\n')\n    sys.stdout.flush()\n"
          "    x = 0\n    while True:\n        x = (x + 1) % 1000\n");
    write(packages + "/nobody.py", "def call(f):\n    f()\n");
    write(info + "/METADATA", "Metadata-Version: 2.1\nName: Busy_Work\nVersion: 4.5.6rc1\n");
    write(info + "/RECORD", "busy/__init__.py,,\nbusy/work.py,,\n");
    write(folder_ + "/main.py",
          "import threading, nobody, busy.work\n"
          "threading.Thread(target=nobody.call, args=(busy.work.at_work,)).start()\n");
  }
  void TearDown() override {
    std::error_code ignored;
    if (!folder_.empty()) {
      fs::remove_all(folder_, ignored);
    }
  }

  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }

  // The frames that most samples show; of Python alone, root first.
  Words record(const Words& options) {
    const std::string seen = folder_.substr(interpreter_.root.size());
    Words command = {"env", "PYTHONPATH=" + seen + "/lib/site-packages",
                     interpreter_.program.substr(interpreter_.root.size()), "-B",
                     seen + "/main.py"};
    if (!interpreter_.root.empty()) {
      command.insert(command.begin(), {"chroot", interpreter_.root});
    }
    const TestProgram program(command);
    EXPECT_EQ(program.first_line(), "ready");
    Words words = {
        "record", "-d", "2", "-F", "499", "-o", "-", "-p", std::to_string(program.pid())};
    words.insert(words.end(), options.begin(), options.end());
    std::map<Words, std::uint64_t> stacks;
    for (const CollapsedFile::Line& line : profile_of(run_waggle(words)).lines) {
      Words frames = line.frames;
      std::erase_if(frames,
                    [](const std::string& frame) { return !frame.ends_with(kPythonSuffix); });
      stacks[frames] += frames.empty() ? 0 : line.count;
    }
    const auto most =
        std::ranges::max_element(stacks, {}, [](const auto& stack) { return stack.second; });
    EXPECT_TRUE(most != stacks.end() && most->second >= 50U);
    return most == stacks.end() ? Words() : most->first;
  }

  Interpreter interpreter_;
  std::string folder_;
};

TEST_P(PythonVersions, stand_behind_the_file_of_a_frame) {
  const Words frames = record({});
  ASSERT_GE(frames.size(), 3U);
  const std::string& leaf = frames[frames.size() - 1];
  EXPECT_NE(leaf.find("at_work ("), std::string::npos) << leaf;
  EXPECT_TRUE(leaf.ends_with("/site-packages/busy/work.py:2 [Busy_Work==4.5.6rc1])_[p]")) << leaf;
  const std::string& unowned = frames[frames.size() - 2];
  EXPECT_TRUE(unowned.ends_with("/site-packages/nobody.py:1)_[p]")) << unowned;
  const std::string& library = frames[frames.size() - 3];
  EXPECT_NE(library.find("/threading.py:"), std::string::npos) << library;
  EXPECT_NE(library.find(" [standard-library==" + std::string(GetParam()) + "."), std::string::npos)
      << library;
}

TEST_P(PythonVersions, are_left_out_on_request) {
  for (const std::string& frame : record({"--no-python-versions"})) {
    EXPECT_EQ(frame.find('['), frame.size() - std::string_view("[p]").size()) << frame;
  }
}

INSTANTIATE_TEST_SUITE_P(Version, PythonVersions, testing::Values("3.8", "3.11", "3.14"),
                         version_name);

}  // namespace
}  // namespace waggle
