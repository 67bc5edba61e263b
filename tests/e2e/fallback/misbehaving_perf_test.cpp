// SPDX-License-Identifier: Apache-2.0
// A perf that hangs, crashes, prints garbage or never stops: the session ends, tells, and leaves
// nothing.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "tests/e2e/fallback/stand_in.h"
#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr double kDurationSeconds = 1;
constexpr double kMostAfterSeconds = 10;

struct Case {
  const char* name;
  StandIn::Behaviour perf;
  int status;
  const char* says;
};

std::ostream& operator<<(std::ostream& out, const Case& value) {
  return out << value.name;
}

std::vector<std::string> arguments_for(const StandIn& perf, const std::string& pid) {
  return {"record", "--engine", "fallback", "--perf-path", perf.path(), "-d",
          "1",      "-o",       "x.col",    "-p",          pid};
}

// Where our private directories are made.
std::vector<std::string> with_tmpdir(const std::string& path) {
  return {"env", "TMPDIR=" + path};
}

class MisbehavingPerf : public testing::TestWithParam<Case> {};

TEST_P(MisbehavingPerf, is_named_and_outlived) {
  const Case& given = GetParam();
  const TestProgram program({SHARES});
  const StandIn perf(given.perf);
  const TempDir temporary;
  const WaggleResult result =
      run_waggle(arguments_for(perf, std::to_string(program.pid())), with_tmpdir(temporary.path()));
  EXPECT_EQ(result.status, given.status) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("perf"), HasSubstr(given.says)));
  EXPECT_LT(perf.since_record().count(), kDurationSeconds + kMostAfterSeconds);
  EXPECT_TRUE(std::filesystem::is_empty(temporary.path()));
  perf.expect_nothing_runs();
}

INSTANTIATE_TEST_SUITE_P(
    FromTheStart, MisbehavingPerf,
    testing::Values(
        Case{"that_hangs_when_asked_for_its_version",
             {.version = "sleep 600"},
             3,
             "did not tell its version in time"},
        Case{"that_never_samples", {.record = "sleep 600"}, 3, "does not begin to sample"},
        Case{"that_crashes",
             {.record = "kill -SEGV $$"},
             3,
             "task-clock: perf record was ended by signal 11"},
        Case{"that_refuses",
             {.record = "echo 'Access to performance monitoring is limited.' >&2; exit 255"},
             3,
             "exited with status 255: Access to performance monitoring is limited."},
        Case{"that_prints_garbage", {.script = "head -c 100000 /dev/urandom"}, 3, "no samples"}),
    [](const auto& instance) { return std::string(instance.param.name); });

INSTANTIATE_TEST_SUITE_P(
    LaterOn, MisbehavingPerf,
    testing::Values(
        Case{
            "that_crashes_later",
            {.record = "[ $N = 1 ] && exec $PERF \"$@\"; $PERF \"$@\" & echo $! >>$DIR/pids; sleep "
                       "0.7; kill -SEGV $$"},
            4,
            "perf record was ended by signal 11"},
        Case{"that_starts_to_sample_and_no_more",
             {.record = "[ $N = 1 ] && exec $PERF \"$@\"; trap '' INT; echo 'Events enabled' >&2; "
                        "sleep 600"},
             4,
             "perf record did not end on SIGINT and was killed"},
        Case{"whose_script_hangs",
             {.script = "[ $N = 1 ] && exec $PERF \"$@\"; sleep 600 & echo $! >>$DIR/pids; wait"},
             4,
             "perf script was killed: it took too long"},
        Case{"whose_script_crashes",
             {.script = "[ $N = 1 ] && exec $PERF \"$@\"; kill -SEGV $$"},
             4,
             "perf script was ended by signal 11"},
        Case{"whose_script_prints_garbage",
             {.script = "[ $N = 1 ] && exec $PERF \"$@\"; head -c 1000000 /dev/urandom"},
             4,
             "lines that cannot be read"}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(OldPerf, is_not_asked_to_leave_events_of_bpf) {
  const TestProgram program({SHARES});
  const StandIn perf({.record =
                          "case \"$*\" in *--no-bpf-event*) echo 'Error: unknown option' >&2; "
                          "exit 129;; esac; exec $PERF \"$@\""});
  WaggleRun run(arguments_for(perf, std::to_string(program.pid())));
  const WaggleResult result = run.wait();
  EXPECT_EQ(result.status, 0) << result.err;
  const auto file = CollapsedFile::parse(read_file(run.directory() + "/x.col", 1 << 24).value());
  EXPECT_EQ(file.header["waggle"]["tools"]["perf"], "ok");
  EXPECT_GT(file.total(), 0U);
  EXPECT_EQ(perf.calls_of("record"), 3U) << "two trials, and the recording";
}

// What it had written by then is kept.
TEST(MisbehavingPerf, that_ignores_sigint_is_killed_and_what_it_has_is_read) {
  const TestProgram program({SHARES});
  const StandIn perf({.record = "[ $N = 1 ] && exec $PERF \"$@\"; trap '' INT; $PERF \"$@\" & echo "
                                "$! >>$DIR/pids; wait"});
  WaggleRun run(arguments_for(perf, std::to_string(program.pid())));
  const WaggleResult result = run.wait();
  EXPECT_THAT(result.err, HasSubstr("perf record did not end on SIGINT and was killed"));
  EXPECT_LT(perf.since_record().count(), kDurationSeconds + kMostAfterSeconds);
  perf.expect_nothing_runs();
}

TEST(MisbehavingPerf, whose_script_never_ends_costs_no_memory_and_leaves_a_profile) {
  const TestProgram program({SHARES});
  const std::string pid = std::to_string(program.pid());
  const auto record = [&](const StandIn& perf) {
    WaggleRun run(arguments_for(perf, pid));
    const WaggleResult result = run.wait();
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_LT(perf.since_record().count(), kDurationSeconds + kMostAfterSeconds);
    perf.expect_nothing_runs();
    return CollapsedFile::parse(read_file(run.directory() + "/x.col", 1 << 24).value());
  };
  const CollapsedFile usual = record(StandIn({}));
  EXPECT_EQ(usual.header["waggle"]["tools"]["perf"], "ok");
  const CollapsedFile endless =
      record(StandIn({.script = "[ $N = 1 ] && exec $PERF \"$@\"; exec yes \"  " + pid + "/" + pid +
                                " 1.000000000: $EVENT: \n\t 40 main (/x)\n\""}));
  const auto& header = endless.header["waggle"];
  EXPECT_EQ(header["tools"]["perf"], "perf script was killed: it took too long");
  EXPECT_GT(endless.total(), 100'000U);
  EXPECT_TRUE(endless.adds_up());
  constexpr std::uint64_t kMostMore = 4 << 20;
  EXPECT_LT(header["overhead"]["rss_bytes"].get<std::uint64_t>(),
            usual.header["waggle"]["overhead"]["rss_bytes"].get<std::uint64_t>() + kMostMore);
}

// What it had is lost with it, and what the next one sees is there.
TEST(MisbehavingPerf, that_crashes_once_is_started_again_and_told_of) {
  const TestProgram program({SHARES});
  const StandIn perf({.record = "[ $N = 2 ] || exec $PERF \"$@\"; $PERF \"$@\" & C=$!; echo $C "
                                ">>$DIR/pids; sleep 1.5; kill -KILL $C; kill -SEGV $$"});
  WaggleRun run({"record", "--engine", "fallback", "--perf-path", perf.path(), "-d", "8", "-F",
                 "99", "-o", "x.col", "-p", std::to_string(program.pid())});
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file =
      CollapsedFile::parse(read_file(run.directory() + "/x.col", 1 << 24).value());
  EXPECT_GT(file.count_of("shares", ";main;"), 0U);
  EXPECT_TRUE(file.adds_up());
  const auto& header = file.header["waggle"];
  EXPECT_THAT(header["tools"]["perf"].get<std::string>(),
              AllOf(HasSubstr("signal 11"), HasSubstr("restarted 1 time; up to ")));
  EXPECT_GT(header["paused_s"].get<double>(), 1.5);
  EXPECT_LT(header["paused_s"].get<double>(), 8.0);
  EXPECT_EQ(result.err.find("signal 11"), result.err.rfind("signal 11")) << result.err;
  perf.expect_nothing_runs();
}

// A perf that starts later does not know of the children by itself.
TEST(MisbehavingPerf, that_crashes_once_samples_the_children_again) {
  const StandIn perf({.record = "[ $N = 2 ] || exec $PERF \"$@\"; $PERF \"$@\" & C=$!; echo $C "
                                ">>$DIR/pids; sleep 2; kill -KILL $C; kill -KILL $$"});
  WaggleRun run({"record", "--engine", "fallback", "--perf-path", perf.path(), "-d", "8", "-F",
                 "99", "-o", "x.col", "--", "sh", "-c",
                 fmt::format("timeout 15 {} & exec sleep 20", SHARES)});
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file =
      CollapsedFile::parse(read_file(run.directory() + "/x.col", 1 << 24).value());
  EXPECT_GT(file.count_of("shares", ";main;"), 0U);
  EXPECT_THAT(file.header["waggle"]["tools"]["perf"].get<std::string>(),
              HasSubstr("restarted 1 time"));
  perf.expect_nothing_runs();
}

TEST(Perf, dies_with_us_and_what_we_left_goes_with_the_next_of_us) {
  const TestProgram program({SHARES});
  const TempDir temporary;
  const StandIn perf({.record = "exec $PERF \"$@\""});
  WaggleRun run(
      {"record", "--engine", "fallback", "--perf-path", perf.path(), "-d", "60", "-o", "x.col"},
      with_tmpdir(temporary.path()));
  ::sleep(3);  // there is no event to wait for: perf must have been sampling
  ASSERT_EQ(::kill(run.pid(), SIGKILL), 0);
  EXPECT_EQ(run.wait().status, 128 + SIGKILL);
  perf.expect_nothing_runs();
  EXPECT_FALSE(std::filesystem::is_empty(temporary.path()));
  const WaggleResult next =
      run_waggle(arguments_for(perf, std::to_string(program.pid())), with_tmpdir(temporary.path()));
  EXPECT_EQ(next.status, 0) << next.err;
  EXPECT_TRUE(std::filesystem::is_empty(temporary.path()));
}

}  // namespace
}  // namespace waggle
