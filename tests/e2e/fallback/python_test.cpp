// SPDX-License-Identifier: Apache-2.0
// `waggle record` where py-spy tells the functions of Python: beside perf on a host without BTF,
// and beside the kernel side where it was asked for.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "tests/e2e/fallback/stand_in.h"
#include "tests/interpreters.h"
#include "tests/temp_dir.h"
#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"
#include "userspace/attach/process_stream.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Words = std::vector<std::string>;

const Words kWithoutBtf = {"unshare", "--mount", "sh", "-c",
                           "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\""};
constexpr const char* kPython = "/usr/bin/python3";
constexpr double kMostAfterSeconds = 10;

std::string py_spy_program() {
  return std::filesystem::path(sid_root()).parent_path().string() + "/py-spy";
}

// What the kernel calls a process of kPython.
constexpr const char* kComm = "python3";

std::string pid_of(const TestProgram& program) {
  return std::to_string(program.pid());
}

// A program that gets the CPU beside busy others; two of them leave enough for waggle and its
// tools.
Words ahead(Words command) {
  command.insert(command.begin(), {"nice", "-n", "-5"});
  return command;
}

Words python_shares(const std::string& python = kPython) {
  return ahead({python, "-B", PYTHON_SHARES});
}

CollapsedFile record(Words arguments, const Words& more, const Words& wrapper = {}) {
  arguments.insert(arguments.begin(), {"record", "-o", "-"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  const WaggleResult result = run_waggle(arguments, wrapper);
  EXPECT_EQ(result.status, 0) << result.err;
  return result.status == 0 ? CollapsedFile::parse(result.out) : CollapsedFile();
}

// In points, of the innermost functions of Python.
std::map<std::string, double> shares_of(const CollapsedFile& file, const std::string& comm) {
  std::map<std::string, double> shares;
  double sum = 0;
  for (const CollapsedFile::Line& line : file.lines) {
    std::string function;
    for (const std::string& frame : line.frames) {
      if (frame.ends_with("_[p]")) {
        const std::string name = frame.substr(0, frame.rfind(" ("));
        function = name.substr(name.rfind('.') + 1);
      }
    }
    if (line.comm == comm && !function.empty()) {
      shares[function] += static_cast<double>(line.count);
      sum += static_cast<double>(line.count);
    }
  }
  for (auto& [name, share] : shares) {
    share *= 100 / sum;
  }
  return shares;
}

bool has_py_spy() {
  return std::filesystem::exists(py_spy_program());
}

class PySpyBesidePerf : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_py_spy()) {
      GTEST_SKIP() << "no py-spy here (tests/e2e/python/fetch_pyspy.py)";
    }
  }
};

TEST_F(PySpyBesidePerf, without_btf_native_and_python_stacks_are_in_one_profile) {
  const TestProgram native(ahead({RECURSION, "10"}));
  const TestProgram python(python_shares());
  const CollapsedFile file = record({"--py-spy-path", py_spy_program(), "-d", "4", "-F", "199"},
                                    {"-p", pid_of(native) + "," + pid_of(python)}, kWithoutBtf);
  const auto& header = file.header["waggle"];
  EXPECT_EQ(header["engine"], "fallback");
  EXPECT_THAT(header["engine_reason"].get<std::string>(), HasSubstr("BTF"));
  EXPECT_EQ(header["tools"]["perf"], "ok");
  EXPECT_EQ(header["tools"]["py-spy"], "ok");
  EXPECT_EQ(header["added"], 0);
  EXPECT_TRUE(file.adds_up()) << "the total is perf's";
  EXPECT_GT(file.count_of("recursion"), 10U);
  EXPECT_EQ(file.share_of("recursion", ";main;recurse;recurse"), 1.0);
  ASSERT_GT(file.count_of(kComm), 10U);
  for (const CollapsedFile::Line& line : file.lines) {
    if (line.comm == kComm) {
      EXPECT_THAT(line.frames, testing::Each(EndsWith("_[p]"))) << line.stack();
      EXPECT_THAT(line.frames.front(), HasSubstr(fmt::format(".<module> ({}:", PYTHON_SHARES)));
    }
  }
  EXPECT_GT(file.count_of(kComm, fmt::format(".spend_all ({}:77)_[p];", PYTHON_SHARES)), 0U)
      << file.text_of(kComm);
}

// Of each function, in several recordings.
using Shares = std::map<std::string, std::vector<double>>;

void add_shares(const CollapsedFile& file, Shares& shares) {
  for (const auto& [name, share] : shares_of(file, kComm)) {
    shares[name].push_back(share);
  }
}

double median(std::vector<double> values, std::size_t count) {
  values.resize(count);  // 0 where it was not seen
  std::ranges::sort(values);
  return values[count / 2];
}

// The medians of five recordings, each by both at once: where the host has no CPU left for py-spy
// it makes up for what it has missed, all at one place, and what waits for its CPU is met there
// again and again.  Of a recording's 500 samples a share of 20 % has a standard deviation of 1.8
// points, the median one of 1.
TEST_F(PySpyBesidePerf, agrees_with_ebpf_on_the_shares_of_functions) {
  constexpr double kPoints = 3;
  constexpr std::size_t kRounds = 5;
  const TestProgram python({"nice", "-n", "-15", kPython, "-B", PYTHON_SHARES});
  const std::string pid = pid_of(python);
  Shares of_ebpf;
  Shares of_py_spy;
  for (std::size_t round = 0; round < kRounds; ++round) {
    WaggleRun ebpf({"record", "--engine", "ebpf", "-d", "11", "-F", "499", "-p", pid, "-o", "-"});
    add_shares(record({"--engine", "fallback", "--py-spy-path", py_spy_program(), "-d", "10"},
                      {"-p", pid}),
               of_py_spy);
    const WaggleResult result = ebpf.wait();
    ASSERT_EQ(result.status, 0) << result.err;
    add_shares(CollapsedFile::parse(result.out), of_ebpf);
  }
  int compared = 0;
  for (const auto& [name, shares] : of_ebpf) {
    const double ours = median(shares, kRounds);
    if (ours >= 5) {
      ++compared;
      const double theirs = median(of_py_spy[name], kRounds);
      fmt::print("{}: {:.1f} % by ebpf, {:.1f} % by py-spy\n", name, ours, theirs);
      EXPECT_NEAR(ours, theirs, kPoints) << name;
    }
  }
  EXPECT_GE(compared, 8);
}

TEST_F(PySpyBesidePerf, follows_a_command_and_tells_lines_and_threads) {
  WaggleRun run({"record", "--engine", "fallback", "--py-spy-path", py_spy_program(), "-d", "4",
                 "--python-lines", "current", "--threads", "-o", "x.col", "--", kPython, "-B",
                 PYTHON_SHARES});
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file =
      CollapsedFile::parse(read_file(run.directory() + "/x.col", 1 << 24).value());
  EXPECT_EQ(file.header["waggle"]["tools"]["py-spy"], "ok");
  EXPECT_TRUE(file.adds_up());
  // Its loop, not its first line, which is 8.
  const std::string part = fmt::format(".spend_first ({}:9)_[p]", PYTHON_SHARES);
  EXPECT_GT(file.count_of(kComm, ";thread: python3;"), 0U) << file.text_of(kComm);
  EXPECT_GT(file.count_of(kComm, part), 0U) << file.text_of(kComm);
}

// A program with a package that one distribution owns, and the standard library above it.
TEST_F(PySpyBesidePerf, tells_the_package_of_each_file_unless_it_is_asked_not_to) {
  const TempDir dir;
  const std::string packages = dir.path() + "/lib/site-packages";
  const std::string info = packages + "/Busy_Work-4.5.6rc1.dist-info";
  std::filesystem::create_directories(packages + "/busy");
  std::filesystem::create_directories(info);
  std::ofstream(packages + "/busy/__init__.py").flush();
  std::ofstream(packages + "/busy/work.py")
      << "import sys\ndef at_work():\n    sys.stdout.write('ready\\n')\n    sys.stdout.flush()\n"
         "    x = 0\n    while True:\n        x = (x + 1) % 1000\n";
  std::ofstream(info + "/METADATA")
      << "Metadata-Version: 2.1\nName: Busy_Work\nVersion: 4.5.6rc1\n";
  std::ofstream(info + "/RECORD") << "busy/__init__.py,,\nbusy/work.py,,\n";
  std::ofstream(dir.path() + "/main.py")
      << "import sys\nsys.path.insert(0, '" << packages
      << "')\nimport threading, busy.work\nthreading.Thread(target=busy.work.at_work).start()\n";
  const TestProgram python(ahead({kPython, "-B", dir.path() + "/main.py"}));
  const Words arguments = {"--engine", "fallback", "--py-spy-path", py_spy_program(), "-d",
                           "3",        "-p",       pid_of(python)};
  const CollapsedFile file = record(arguments, {});
  EXPECT_GT(file.count_of(kComm, "/busy/work.py:2 [Busy_Work==4.5.6rc1])_[p]"), 0U)
      << file.text_of(kComm);
  EXPECT_GT(file.count_of(kComm, "/threading.py:"), 0U);
  EXPECT_EQ(file.count_of(kComm, " [standard-library==3."), file.count_of(kComm, "/threading.py:"))
      << file.text_of(kComm);
  const CollapsedFile without = record(arguments, {"--no-python-versions"});
  EXPECT_GT(without.count_of(kComm, "/busy/work.py:2)_[p]"), 0U) << without.text_of(kComm);
  EXPECT_EQ(without.count_of(kComm, "=="), 0U);
}

TEST_F(PySpyBesidePerf, keeps_what_it_has_of_a_process_that_ends) {
  auto python = std::make_unique<TestProgram>(python_shares());
  const TestProgram native(ahead({RECURSION, "10"}));
  WaggleRun run({"record", "--engine", "fallback", "--py-spy-path", py_spy_program(), "-d", "4",
                 "-o", "-", "-p", pid_of(native) + "," + pid_of(*python)});
  std::this_thread::sleep_for(std::chrono::seconds(4));  // perf's start and a part of the recording
  python.reset();
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of(kComm, ".spend_all ("), 0U) << result.err;
  EXPECT_GT(file.count_of("recursion", ";main;recurse"), 0U);
}

TEST_F(PySpyBesidePerf, dies_with_us) {
  const TestProgram python(python_shares());
  const TempDir temporary;  // what we leave when we are killed
  const PySpyStandIn py_spy("exec " + py_spy_program() + " \"$@\"");
  WaggleRun run({"record", "--engine", "fallback", "--py-spy-path", py_spy.path(), "-d", "60", "-p",
                 pid_of(python), "-o", "x.col"},
                {"env", "TMPDIR=" + temporary.path()});
  for (int i = 0; i < 1000 && py_spy.targets().empty(); ++i) {
    ::usleep(10'000);
  }
  EXPECT_EQ(py_spy.targets(), pid_of(python) + "\n");
  ASSERT_EQ(::kill(run.pid(), SIGKILL), 0);
  EXPECT_EQ(run.wait().status, 128 + SIGKILL);
  py_spy.expect_nothing_runs();
}

TEST_F(PySpyBesidePerf, is_asked_for_in_ebpf_mode) {
  const TestProgram native(ahead({RECURSION, "10"}));
  const TestProgram python(python_shares());
  const CollapsedFile file =
      record({"--engine", "ebpf", "--python-mode", "pyspy", "--py-spy-path", py_spy_program()},
             {"-d", "3", "-F", "199", "-p", pid_of(native) + "," + pid_of(python)});
  const auto& header = file.header["waggle"];
  EXPECT_EQ(header["engine"], "ebpf");
  EXPECT_EQ(header["tools"]["py-spy"], "ok");
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of("recursion", ";main;recurse"), 10U);
  ASSERT_GT(file.count_of(kComm), 10U);
  EXPECT_EQ(file.count_of(kComm, ".spend_all ("), file.count_of(kComm)) << file.text_of(kComm);
  EXPECT_EQ(file.count_of(kComm, "_[pn]"), 0U);
}

// Writes a stack that no process has, once it is asked to end.
constexpr const char* kMadeUp =
    "trap 'echo \"made_up (/x.py:1) 5\" >$OUTPUT; exit 0' INT; sleep 60 & echo $! >>$DIR/pids; "
    "wait";

// By cgroup: whoever is outside is not touched.
class PySpyOfCgroup : public testing::TestWithParam<const char*> {};

TEST_P(PySpyOfCgroup, tells_of_those_inside_alone) {
  const auto hierarchy = TestCgroup::hierarchy(true);
  if (!hierarchy) {
    GTEST_SKIP() << "no cgroup of v2 can be made";
  }
  const TestCgroup chosen(*hierarchy, "waggle_py_spy");
  const TestProgram inside(python_shares());
  const TestProgram outside(python_shares());
  chosen.take(inside.pid());
  const PySpyStandIn py_spy(kMadeUp);
  const WaggleResult result =
      run_waggle({"record", "-o", "-", "--engine", GetParam(), "--python-mode", "pyspy",
                  "--py-spy-path", py_spy.path(), "-d", "3", "-F", "199",
                  "--min-profiling-duration", "0", "--cgroup", "waggle_py_spy"});
  if (result.status == 3 && std::string_view(GetParam()) == "fallback") {
    GTEST_SKIP() << "perf does not count by this cgroup: " << result.err;
  }
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(py_spy.targets(), pid_of(inside) + "\n");
  EXPECT_TRUE(file.adds_up());
  ASSERT_GT(file.count_of(kComm), 10U);
  EXPECT_EQ(file.count_of(kComm, ";x.made_up (/x.py:1)_[p]"), file.total()) << result.out;
}

INSTANTIATE_TEST_SUITE_P(Engines, PySpyOfCgroup, testing::Values("ebpf", "fallback"),
                         [](const auto& instance) { return std::string(instance.param); });

// Two processes of one name: the stacks of one are made up.
TEST(PySpyInEbpfMode, tells_of_the_processes_that_are_left_to_it) {
  const TestProgram left(python_shares());
  const TestProgram walked(python_shares());
  const PySpyStandIn py_spy(kMadeUp);
  const CollapsedFile file = record(
      {"--engine", "ebpf", "--python-pyspy-process", pid_of(left), "--py-spy-path", py_spy.path()},
      {"-d", "2", "-F", "199", "-p", pid_of(left) + "," + pid_of(walked)});
  EXPECT_EQ(py_spy.targets(), pid_of(left) + "\n");
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of(kComm, ";x.made_up (/x.py:1)_[p]"), 10U) << file.text_of(kComm);
  EXPECT_GT(file.count_of(kComm, ".spend_all ("), 10U);
}

TEST(PySpyInEbpfMode, says_that_a_process_that_was_named_has_no_python) {
  const TestProgram native({RECURSION, "10"});
  pid_t gone = 0;
  {
    const TestProgram ended({RECURSION, "10"});
    gone = ended.pid();
  }
  const PySpyStandIn py_spy(kMadeUp);
  const std::string named = fmt::format("{},{}", gone, native.pid());
  const WaggleResult result =
      run_waggle({"record", "-o", "-", "-d", "2", "-p", pid_of(native), "--python-pyspy-process",
                  named, "--py-spy-path", py_spy.path()});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(py_spy.targets(), "");
  const std::string told =
      "py-spy: 2 processes left out (" +
      fmt::format("{}, {}", std::min(gone, native.pid()), std::max(gone, native.pid())) +
      "): named, but the functions of Python are not there";
  EXPECT_THAT(result.err, HasSubstr(told));
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(file.header["waggle"]["excluded"].dump(), HasSubstr(told));
}

TEST(PySpyInEbpfMode, takes_the_pythons_that_are_too_many_for_the_kernel_side) {
  const TestProgram first(python_shares());
  const TestProgram second(python_shares());
  const PySpyStandIn py_spy(kMadeUp);
  const CollapsedFile file =
      record({"--python-skip-pyperf-profiler-above", "1", "--py-spy-path", py_spy.path()},
             {"-d", "4", "-F", "199", "-p", pid_of(first) + "," + pid_of(second)});
  EXPECT_THAT(py_spy.targets(), testing::AnyOf(pid_of(first) + "\n", pid_of(second) + "\n"));
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of(kComm, ";x.made_up (/x.py:1)_[p]"), 10U) << file.text_of(kComm);
  EXPECT_GT(file.count_of(kComm, ".spend_all ("), 10U);
}

// The system's profiler is left out; that of the runtime is not.
TEST(Limits, of_the_hosts_size_leave_the_profilers_of_runtimes) {
  const TestProgram native(ahead({RECURSION, "10"}));
  const TestProgram python(python_shares());
  const PySpyStandIn py_spy(kMadeUp);
  const WaggleResult result =
      run_waggle({"record", "-o", "-", "-d", "2", "-p", pid_of(native) + "," + pid_of(python),
                  "--skip-system-profilers-above", "1", "--py-spy-path", py_spy.path()});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(file.count_of(kComm, ";x.made_up (/x.py:1)_[p]"), 5U) << result.out;
  EXPECT_EQ(file.total(), 5U);
  EXPECT_TRUE(file.adds_up());
  EXPECT_EQ(file.header["waggle"]["engine"], "none");
  EXPECT_THAT(file.header["waggle"]["excluded"].dump(),
              HasSubstr("--skip-system-profilers-above 1: the host has"));
  EXPECT_THAT(result.err, HasSubstr("continuing with the profilers of runtimes alone"));
  const CollapsedFile all = record({"--skip-system-profilers-above", "1000000"},
                                   {"-d", "2", "-F", "199", "-p", pid_of(native)});
  EXPECT_GT(all.count_of("recursion"), 0U);
}

TEST(Limits, of_runtimes_take_the_busiest) {
  const TestProgram idle(
      {"python3", "-c", "import time; print('ready', flush=True); time.sleep(1000)"});
  const TestProgram busy(python_shares());
  const PySpyStandIn py_spy(kMadeUp);
  const CollapsedFile file =
      record({"--engine", "ebpf", "--python-mode", "pyspy", "--max-processes-runtime-profiler", "1",
              "--py-spy-path", py_spy.path()},
             {"-d", "2", "-F", "199", "-p", pid_of(idle) + "," + pid_of(busy)});
  EXPECT_EQ(py_spy.targets(), pid_of(busy) + "\n");
  EXPECT_THAT(file.header["waggle"]["excluded"].dump(),
              HasSubstr("--max-processes-runtime-profiler 1"));
}

// The processes that another one started, not its threads, as the kernel tells.
TEST(BtfVisible, not_one_child_is_started_for_native_and_python) {
  const TestProgram native(ahead({RECURSION, "10"}));
  const TestProgram python(python_shares());
  ProcessStream stream = ProcessStream::open().value();
  WaggleRun run({"record", "-d", "2", "-F", "199", "-o", "-"});
  const auto pid = static_cast<std::uint32_t>(run.pid());
  const WaggleResult result = run.wait();
  int children = 0;
  bool has_heard = false;
  stream.drain([&](const ProcessRecord& record) {
    if (const auto* fork = std::get_if<ForkRecord>(&record)) {
      has_heard |= fork->parent_pid == pid;
      children += fork->parent_pid == pid && !fork->is_thread() ? 1 : 0;
    }
  });
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(has_heard) << "it has threads";
  EXPECT_EQ(children, 0);
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(file.header["waggle"]["engine"], "ebpf");
  EXPECT_GT(file.count_of("recursion", ";main;recurse"), 0U);
  EXPECT_GT(file.count_of(kComm, ".spend_all ("), 0U);
}

struct Case {
  const char* name;
  const char* behaviour;
  const char* says;
};

std::ostream& operator<<(std::ostream& out, const Case& value) {
  return out << value.name;
}

class MisbehavingPySpy : public testing::TestWithParam<Case> {};

TEST_P(MisbehavingPySpy, is_named_and_outlived_and_the_rest_is_there) {
  constexpr double kDurationSeconds = 2;
  const TestProgram native(ahead({RECURSION, "10"}));
  const TestProgram python(python_shares());
  const PySpyStandIn py_spy(GetParam().behaviour);
  const TempDir temporary;
  WaggleRun run({"record", "--engine", "fallback", "--py-spy-path", py_spy.path(), "-d", "2", "-F",
                 "199", "-o", "-", "-p", pid_of(native) + "," + pid_of(python)},
                {"env", "TMPDIR=" + temporary.path()});
  while (py_spy.targets().empty() && is_running(run.pid())) {
    ::usleep(10'000);
  }
  const auto began = std::chrono::steady_clock::now();
  const WaggleResult result = run.wait();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_LT(took.count(), kDurationSeconds + kMostAfterSeconds);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("process " + pid_of(python)), HasSubstr(GetParam().says)));
  EXPECT_TRUE(std::filesystem::is_empty(temporary.path()));
  py_spy.expect_nothing_runs();
  EXPECT_THAT(process_state(python.pid()), testing::AnyOf('R', 'S'));

  const CollapsedFile file = CollapsedFile::parse(result.out);
  const auto& header = file.header["waggle"];
  EXPECT_THAT(header["tools"]["py-spy"].get<std::string>(), HasSubstr(GetParam().says));
  EXPECT_EQ(header["tools"]["perf"], "ok");
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of("recursion", ";main;recurse"), 10U);
  ASSERT_GT(file.count_of(kComm), 0U);
  for (const CollapsedFile::Line& line : file.lines) {
    if (line.comm == kComm) {
      EXPECT_THAT(line.frames.front(), AllOf(StartsWith("[Profiling error: "), EndsWith("]"),
                                             HasSubstr(GetParam().says)));
      EXPECT_GT(line.frames.size(), 1U) << "the native stack is kept";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Fallback, MisbehavingPySpy,
    testing::Values(Case{"that_hangs", "trap '' INT; sleep 600 & echo $! >>$DIR/pids; wait",
                         "had to be killed"},
                    Case{"that_crashes", "kill -SEGV $$", "py-spy was ended by signal 11"},
                    Case{"that_fails", "echo 'Error: no version' >&2; exit 1",
                         "py-spy exited with status 1"},
                    Case{"that_writes_nothing", "exit 0", "py-spy wrote no file"},
                    Case{"that_writes_garbage", "head -c 100000 /dev/urandom >$OUTPUT",
                         "py-spy wrote something else than stacks"},
                    Case{"that_writes_doc_strings",
                         "printf 'Returns the mean.\\n\\n  >>> mean([1, 2]) 2\\n' >$OUTPUT; "
                         "echo 'f (/a.py:1) 5' >>$OUTPUT",
                         "py-spy wrote something else than stacks"},
                    Case{"that_writes_without_end", "exec yes 'f (/a.py:1) 5' >$OUTPUT",
                         "py-spy was ended by signal 25"},
                    Case{"that_writes_a_link", "ln -s /etc/passwd $OUTPUT", "py-spy wrote no file"},
                    Case{"that_prints_without_end", "exec yes", "py-spy had not begun to sample"}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(MisbehavingPySpyOnce, that_leaves_the_process_stopped_is_told_of_and_it_goes_on) {
  const TestProgram python(python_shares());
  const PySpyStandIn py_spy("kill -STOP $TARGET; exit 1");
  const WaggleResult result =
      run_waggle({"record", "--engine", "fallback", "--py-spy-path", py_spy.path(), "-d", "2", "-o",
                  "x.col", "-p", pid_of(python)});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr(fmt::format("py-spy left process {}", pid_of(python))));
  EXPECT_THAT(process_state(python.pid()), testing::AnyOf('R', 'S'));
}

TEST(MisbehavingPySpyOnce, leaves_a_process_alone_that_was_stopped_before) {
  const TestProgram native(ahead({RECURSION, "10"}));
  const TestProgram python(python_shares());
  ASSERT_EQ(::kill(python.pid(), SIGSTOP), 0);
  while (process_state(python.pid()) != 'T') {
    ::usleep(1000);
  }
  const PySpyStandIn py_spy("exit 1");
  const WaggleResult result =
      run_waggle({"record", "--engine", "fallback", "--py-spy-path", py_spy.path(), "-d", "1", "-o",
                  "-", "-p", pid_of(native) + "," + pid_of(python)});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(process_state(python.pid()), 'T');
  // It used no CPU: its error stands alone, and is counted as what no sample stands for.
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(file.header["waggle"]["added"], 1);
  EXPECT_TRUE(file.adds_up());
  EXPECT_EQ(file.count_of(kComm, "[Profiling error: py-spy exited with status 1]"), 1U);
}

TEST(PySpyNotThere, is_said_once_and_native_stacks_are_recorded) {
  if (std::filesystem::exists("/usr/bin/py-spy") ||
      std::filesystem::exists("/usr/local/bin/py-spy")) {
    GTEST_SKIP() << "py-spy is installed";
  }
  const TestProgram python(python_shares());
  const WaggleResult result = run_waggle(
      {"record", "--engine", "fallback", "-d", "1", "-F", "199", "-o", "-", "-p", pid_of(python)},
      {"env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("py-spy is not found: pip install py-spy"));
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_THAT(file.header["waggle"]["tools"]["py-spy"].get<std::string>(), HasSubstr("not found"));
  EXPECT_GT(file.count_of(kComm), 0U);
  EXPECT_TRUE(file.adds_up());
}

TEST(PySpyNotThere, is_an_error_where_its_path_was_given) {
  const WaggleResult result = run_waggle(
      {"record", "--engine", "fallback", "-d", "1", "--py-spy-path", "/nonexistent", "-o", "-"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("/nonexistent is no program that we may run"));
}

TEST(PerfDisabled, leaves_what_the_runtimes_counted_as_it_is) {
  const TestProgram python(python_shares());
  const PySpyStandIn py_spy("printf 'main (/a.py:1);f (/a.py:2) 7\\nmain (/a.py:1) 2\\n' >$OUTPUT");
  const CollapsedFile file = record({"--engine", "fallback", "--perf-mode", "disabled",
                                     "--perf-path", "/nonexistent", "--py-spy-path", py_spy.path()},
                                    {"-d", "1", "-p", pid_of(python)});
  EXPECT_EQ(file.total(), 9U);
  EXPECT_EQ(file.count_of(kComm), 9U);
  EXPECT_TRUE(file.adds_up());
  const auto& header = file.header["waggle"];
  EXPECT_EQ(header["samples"], 9);
  EXPECT_EQ(header["tools"]["perf"], "disabled (--perf-mode)");
  EXPECT_THAT(header["excluded"].dump(), HasSubstr("--perf-mode disabled"));
}

TEST(PySpyOfTheHost, takes_what_begins_meanwhile_where_that_is_asked_for) {
  if (!has_py_spy()) {
    GTEST_SKIP() << "no py-spy here (tests/e2e/python/fetch_pyspy.py)";
  }
  constexpr const char* kSpawned = "python-spawned";  // there may be others on the host
  const TempDir dir;
  const std::string python = dir.path() + "/" + kSpawned;
  std::filesystem::copy_file(std::filesystem::canonical(kPython), python);
  for (const bool is_asked_for : {true, false}) {
    Words arguments{"record",
                    "-d",
                    "8",
                    "-o",
                    "-",
                    "--python-mode",
                    "py-spy",
                    "--py-spy-path",
                    py_spy_program(),
                    "--min-profiling-duration",
                    "1"};
    if (is_asked_for) {
      arguments.emplace_back("--profile-spawned-processes");
    }
    WaggleRun run(arguments);
    std::this_thread::sleep_for(std::chrono::seconds(2));  // it records by now
    const TestProgram program(python_shares(python));
    const WaggleResult result = run.wait();
    ASSERT_EQ(result.status, 0) << result.err;
    const CollapsedFile file = CollapsedFile::parse(result.out);
    EXPECT_GT(file.count_of(kSpawned), 50U);
    EXPECT_EQ(file.count_of(kSpawned, ".spend_all (") > 50, is_asked_for)
        << file.text_of(kSpawned) << result.err;
    EXPECT_TRUE(file.adds_up());
  }
}

TEST(PySpyOfTheHost, leaves_out_processes_that_are_young_and_takes_others) {
  const TestProgram old(python_shares());
  std::this_thread::sleep_for(std::chrono::seconds(11));
  const TestProgram young(python_shares());
  const PySpyStandIn py_spy("exit 1");
  const CollapsedFile file =
      record({"--engine", "fallback", "--py-spy-path", py_spy.path()}, {"-d", "1"});
  EXPECT_THAT("\n" + py_spy.targets(), HasSubstr("\n" + pid_of(old) + "\n"));
  EXPECT_THAT("\n" + py_spy.targets(), Not(HasSubstr("\n" + pid_of(young) + "\n")));
  EXPECT_THAT(file.header["waggle"]["excluded"].dump(),
              AllOf(HasSubstr("younger than 10 s"), HasSubstr(pid_of(young))));
}

}  // namespace
}  // namespace waggle
