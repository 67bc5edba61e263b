// SPDX-License-Identifier: Apache-2.0
// The same program under py-spy, which stops the process and reads its memory from outside, and
// under waggle: what takes the time is the same.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "tests/e2e/python/recorded_stacks.h"
#include "tests/interpreters.h"
#include "tests/temp_dir.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

constexpr const char* kPriority = "-15";

using Counts = std::map<std::string, double>;  // of functions, in points once they are shares

std::string py_spy_program() {
  return std::filesystem::path(sid_root()).parent_path().string() + "/py-spy";
}

void make_shares(Counts& counts) {
  double sum = 0;
  for (const auto& [name, count] : counts) {
    sum += count;
  }
  for (auto& [name, count] : counts) {
    count *= 100 / sum;
  }
}

// Of the innermost functions.
Counts waggle_shares(const CollapsedFile& file) {
  Counts counts;
  for (const CollapsedFile::Line& line : file.lines) {
    const Functions part = python_part(line);
    if (!part.empty()) {
      counts[part.back()] += static_cast<double>(line.count);
    }
  }
  make_shares(counts);
  return counts;
}

// "<module> (FILE:LINE);NAME (FILE:LINE) COUNT"
Counts py_spy_shares(std::string_view text) {
  Counts counts;
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t space = line.rfind(' ');
    if (space == std::string_view::npos) {
      continue;
    }
    const auto stack = line.substr(0, space);
    const std::size_t last = stack.rfind(';') + 1;  // 0 where there is one frame
    const auto count = parse_number<std::uint64_t>(line.substr(space + 1));
    EXPECT_TRUE(count) << line;
    counts[std::string(stack.substr(last, stack.find(" (", last) - last))] +=
        static_cast<double>(count.value_or(0));
  }
  make_shares(counts);
  return counts;
}

std::set<std::string> top_ten(const Counts& shares) {
  std::vector<std::pair<double, std::string>> sorted;
  for (const auto& [name, share] : shares) {
    sorted.emplace_back(-share, name);
  }
  std::ranges::sort(sorted);
  std::set<std::string> top;
  for (std::size_t i = 0; i < std::min<std::size_t>(sorted.size(), 10); ++i) {
    top.insert(sorted[i].second);
  }
  return top;
}

class PySpy : public testing::TestWithParam<const char*> {};

TEST_P(PySpy, tells_the_same_top_ten_functions) {
  constexpr double kPoints = 3;
  if (!std::filesystem::exists(py_spy_program())) {
    GTEST_SKIP() << "no py-spy here (tests/e2e/python/fetch_pyspy.py)";
  }
  std::string python;
  for (const Interpreter& interpreter : find_interpreters(GetParam())) {
    python = interpreter.root.empty() && python.empty() ? interpreter.program : python;
  }
  if (python.empty()) {
    GTEST_SKIP() << "no Python " << GetParam() << " here";
  }
  // py-spy samples by the clock: of a program that waits for its CPU it sees the same place again
  // and again.  So both go first.
  const TestProgram program({"nice", "-n", kPriority, python, "-B", PYTHON_SHARES});
  ASSERT_EQ(program.first_line(), "ready");
  const std::string pid = std::to_string(program.pid());
  // Both at once; py-spy's messages go to stderr.
  WaggleRun run({"record", "-d", "20", "-F", "999", "-o", "-", "-p", pid});
  const TempDir folder;
  const std::string raw = folder.path() + "/raw";
  const pid_t py_spy = ::fork();
  ASSERT_GE(py_spy, 0);
  if (py_spy == 0) {
    ::execlp("nice", "nice", "-n", kPriority, py_spy_program().c_str(), "record", "--format", "raw",
             "--function", "--rate", "499", "--duration", "20", "--pid", pid.c_str(), "--output",
             raw.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(py_spy, &status, 0), py_spy);
  ASSERT_EQ(status, 0);
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const Counts ours = waggle_shares(CollapsedFile::parse(result.out));
  const auto text = read_file(raw, std::size_t{1} << 24);
  ASSERT_TRUE(text) << text.error().what;
  const Counts theirs = py_spy_shares(*text);

  EXPECT_EQ(top_ten(ours), top_ten(theirs));
  for (const std::string& name : top_ten(theirs)) {
    const double our_share = ours.contains(name) ? ours.at(name) : 0;
    fmt::print("{} {}: {:.1f} % by waggle, {:.1f} % by py-spy\n", GetParam(), name, our_share,
               theirs.at(name));
    EXPECT_LE(std::abs(our_share - theirs.at(name)), kPoints) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Version, PySpy, testing::Values("3.8", "3.11", "3.12"), version_name);

}  // namespace
}  // namespace waggle
