// SPDX-License-Identifier: Apache-2.0
// The fallback where perf is not there, refuses, hangs, or is not wanted: the profilers of runtimes
// go on without it.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "tests/e2e/fallback/stand_in.h"
#include "tests/test_cgroup.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

constexpr const char* kComm = "python3";
constexpr double kMostAfterSeconds = 10;

// Writes five times the stack of a function that nobody has, once it is asked to end.
constexpr const char* kMadeUp =
    "trap 'echo \"made_up (/x.py:1) 5\" >$OUTPUT; exit 0' INT; sleep 60 & echo $! >>$DIR/pids; "
    "wait";

Words python_shares() {
  return {"/usr/bin/python3", "-B", PYTHON_SHARES};
}

std::string pid_of(const TestProgram& program) {
  return std::to_string(program.pid());
}

std::size_t count_in(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

Words fallback(const std::string& perf, const std::string& py_spy, const Words& more) {
  Words words = {"record",      "--engine", "fallback",      "-o",  "-",
                 "--perf-path", perf,       "--py-spy-path", py_spy};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// What py-spy told of, in seconds of CPU, though there is nothing else.
void expect_made_up_alone(const CollapsedFile& file, const std::string& why) {
  EXPECT_EQ(file.count_of(kComm, ";x.made_up (/x.py:1)_[p]"), 5U);
  EXPECT_EQ(file.total(), 5U);
  EXPECT_TRUE(file.adds_up());
  const auto& header = file.header["waggle"];
  EXPECT_EQ(header["engine"], "fallback");
  EXPECT_EQ(header["event"], "py-spy");
  EXPECT_EQ(header["frequency"], 50);
  EXPECT_EQ(header["tools"]["py-spy"], "ok");
  EXPECT_THAT(header["tools"]["perf"].get<std::string>(), HasSubstr(why));
  EXPECT_THAT(header["excluded"].dump(), HasSubstr("all but what profilers of runtimes see"));
}

struct Case {
  const char* name;
  StandIn::Behaviour perf;
  const char* says;
};

std::ostream& operator<<(std::ostream& out, const Case& value) {
  return out << value.name;
}

class PerfThatCannotBeUsed : public testing::TestWithParam<Case> {};

TEST_P(PerfThatCannotBeUsed, leaves_what_py_spy_tells) {
  const TestProgram python(python_shares());
  const StandIn perf(GetParam().perf);
  const PySpyStandIn py_spy(kMadeUp);
  const WaggleResult result =
      run_waggle(fallback(perf.path(), py_spy.path(), {"-d", "2", "-p", pid_of(python)}));
  ASSERT_EQ(result.status, 0) << result.err;
  expect_made_up_alone(CollapsedFile::parse(result.out), GetParam().says);
  EXPECT_THAT(result.err, HasSubstr(GetParam().says));
  EXPECT_EQ(count_in(result.err, "alone"), 1U) << result.err;
  EXPECT_LT(perf.since_record().count(), 2 + kMostAfterSeconds);
  perf.expect_nothing_runs();
  py_spy.expect_nothing_runs();
}

INSTANTIATE_TEST_SUITE_P(
    AtTheStart, PerfThatCannotBeUsed,
    testing::Values(
        Case{"that_hangs_when_asked_for_its_version",
             {.version = "sleep 600"},
             "did not tell its version in time"},
        Case{"that_never_samples", {.record = "sleep 600"}, "does not begin to sample"},
        Case{"that_crashes", {.record = "kill -SEGV $$"}, "perf record was ended by signal 11"},
        Case{"that_refuses",
             {.record = "echo 'Access is limited.' >&2; exit 255"},
             "exited with status 255: Access is limited."},
        Case{"that_refuses_after_its_trial",
             {.record = "[ $N = 1 ] && exec $PERF \"$@\"; echo 'No more.' >&2; exit 255"},
             "perf record exited with status 255: No more."}),
    [](const auto& instance) { return std::string(instance.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Later, PerfThatCannotBeUsed,
    testing::Values(
        Case{"that_starts_to_sample_and_no_more",
             {.record = "[ $N = 1 ] && exec $PERF \"$@\"; trap '' INT; echo 'Events enabled' >&2; "
                        "sleep 600"},
             "perf record did not end on SIGINT and was killed"},
        Case{"whose_script_crashes",
             {.script = "[ $N = 1 ] && exec $PERF \"$@\"; kill -SEGV $$"},
             "perf script was ended by signal 11"}),
    [](const auto& instance) { return std::string(instance.param.name); });

// The tool is there, and has nothing to do.
TEST(WithoutPerf, a_native_program_is_an_error_that_names_perf) {
  const TestProgram native({RECURSION, "10"});
  const StandIn perf({.record = "echo 'Access is limited.' >&2; exit 255"});
  const PySpyStandIn py_spy(kMadeUp);
  const WaggleResult result =
      run_waggle(fallback(perf.path(), py_spy.path(), {"-d", "1", "-p", pid_of(native)}));
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("cannot sample: default event: perf record exited with status "
                                    "255: Access is limited."));
  EXPECT_EQ(result.out, "");
}

TEST(WithoutPerf, a_host_that_has_none_has_the_stacks_of_python) {
  const TestProgram python(python_shares());
  const PySpyStandIn py_spy(kMadeUp);
  const WaggleResult result =
      run_waggle({"record", "--engine", "fallback", "-o", "-", "-d", "1", "--py-spy-path",
                  py_spy.path(), "-p", pid_of(python)},
                 {"unshare", "--mount", "sh", "-c",
                  "mount --bind /dev/null /usr/bin/perf && exec \"$0\" \"$@\""});
  ASSERT_EQ(result.status, 0) << result.err;
  expect_made_up_alone(CollapsedFile::parse(result.out), "perf is not found");
  EXPECT_THAT(result.err, AllOf(HasSubstr("perf is not found"),
                                HasSubstr("continuing with py-spy alone: no native")));
}

TEST(WithoutPerf, a_path_that_is_wrong_is_an_error) {
  const TestProgram python(python_shares());
  const PySpyStandIn py_spy(kMadeUp);
  const WaggleResult result =
      run_waggle(fallback("/nonexistent", py_spy.path(), {"-d", "1", "-p", pid_of(python)}));
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.err, HasSubstr("/nonexistent is no program that we may run"));
}

// A perf that works, and a process that sleeps: what py-spy says of it is no CPU time.
TEST(WithPerf, a_process_that_used_no_cpu_has_no_line) {
  const TestProgram native({RECURSION, "10"});
  const TestProgram idle(
      {"/usr/bin/python3", "-c", "import time; print('ready', flush=True); time.sleep(1000)"});
  const PySpyStandIn py_spy(kMadeUp);
  const WaggleResult result = run_waggle(fallback(
      "/usr/bin/perf", py_spy.path(), {"-d", "2", "-p", pid_of(idle) + "," + pid_of(native)}));
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out);
  EXPECT_EQ(py_spy.targets(), pid_of(idle) + "\n");
  EXPECT_EQ(file.count_of(kComm), 0U) << file.text_of(kComm);
  EXPECT_GT(file.count_of("recursion"), 0U);
}

TEST(PerfDisabled, counts_seconds_by_the_clock_of_the_runtime_and_tells_of_the_process) {
  const auto hierarchies = TestCgroup::hierarchies();
  if (hierarchies.empty()) {
    GTEST_SKIP() << "no cgroup can be made here";
  }
  const std::string id(64, 'c');
  const TestCgroup container(hierarchies.front(), "docker-" + id + ".scope");
  const TestProgram python({"/usr/bin/python3", PYTHON_SHARES});  // an option, and it has no id
  container.take(python.pid());
  const PySpyStandIn py_spy(kMadeUp);
  WaggleRun run({"record", "--engine", "fallback", "--perf-mode", "disabled", "--py-spy-path",
                 py_spy.path(), "-d", "1", "-p", pid_of(python), "-o", "x.col"});
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("5 samples in "));
  EXPECT_THAT(result.err, HasSubstr(" at 50 Hz, 0.10 CPU seconds (py-spy, fallback)"));
  const CollapsedFile file =
      CollapsedFile::parse(read_file(run.directory() + "/x.col", 1 << 24).value());
  expect_made_up_alone(file, "disabled (--perf-mode)");
  ASSERT_EQ(file.lines.size(), 1U);
  const CollapsedFile::Line& line = file.lines.front();
  EXPECT_EQ(line.container, id);
  EXPECT_THAT(line.application_id, HasSubstr("shares.py"));
  EXPECT_EQ(line.application, 1U);
  EXPECT_THAT(file.header["application_metadata"].dump(), HasSubstr("python"));
}

// Debian's perf has a Python inside.
TEST(PySpyOfTheHost, leaves_our_own_tools_out_without_a_word) {
  const TestProgram python(python_shares());
  const StandIn perf({.record = "exec $PERF \"$@\""});
  const PySpyStandIn py_spy(kMadeUp);
  const WaggleResult result = run_waggle(
      fallback(perf.path(), py_spy.path(), {"-d", "2", "--min-profiling-duration", "0"}));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT("\n" + py_spy.targets(), HasSubstr("\n" + pid_of(python) + "\n"));
  const CollapsedFile file = CollapsedFile::parse(result.out);
  const std::string excluded = file.header["waggle"]["excluded"].dump();
  const std::string pids = perf.pids();
  for (const std::string_view pid : split(pids, '\n')) {
    const auto has_pid = testing::ContainsRegex(fmt::format("[( ]{}[,)]", pid));
    EXPECT_THAT(excluded, Not(has_pid));
    EXPECT_THAT(result.err, Not(has_pid));
  }
}

TEST(PySpyOfTheHost, says_once_that_it_samples_at_less_than_was_asked_for) {
  const TestProgram first(python_shares());
  const TestProgram second(python_shares());
  const PySpyStandIn py_spy(kMadeUp);
  const Words arguments = {"-d", "1", "-p", pid_of(first) + "," + pid_of(second)};
  Words fast = arguments;
  fast.insert(fast.end(), {"-F", "199"});
  const WaggleResult result = run_waggle(fallback("/usr/bin/perf", py_spy.path(), fast));
  EXPECT_EQ(count_in(result.err, "py-spy samples at 50 Hz, its highest rate here, in place of 199"),
            1U)
      << result.err;
  Words slow = arguments;
  slow.insert(slow.end(), {"-F", "49"});
  EXPECT_THAT(run_waggle(fallback("/usr/bin/perf", py_spy.path(), slow)).err,
              Not(HasSubstr("its highest rate")));
}

TEST(Engine, is_told_of_in_one_line_that_says_why) {
  const TestProgram native({RECURSION, "10"});
  const PySpyStandIn py_spy(kMadeUp);
  const std::string pid = pid_of(native);
  const WaggleResult kernel = run_waggle({"record", "-d", "1", "-o", "-", "-p", pid});
  EXPECT_EQ(count_in(kernel.err, "sampling in the kernel (ebpf): BTF and BPF are usable\n"), 1U)
      << kernel.err;
  const WaggleResult asked =
      run_waggle(fallback("/usr/bin/perf", py_spy.path(), {"-d", "1", "-p", pid}));
  EXPECT_THAT(asked.err, testing::ContainsRegex(
                             "sampling with perf [0-9.]+ \\(/usr/bin/perf\\): --engine fallback"));
  const WaggleResult hidden =
      run_waggle({"record", "-d", "1", "-o", "-", "-p", pid},
                 {"unshare", "--mount", "sh", "-c",
                  "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\""});
  EXPECT_THAT(hidden.err, testing::ContainsRegex("BTF.*; sampling with perf .* instead\n"));
  EXPECT_EQ(count_in(hidden.err, "perf"), 2U) << "its name and its path: " << hidden.err;
}

}  // namespace
}  // namespace waggle
