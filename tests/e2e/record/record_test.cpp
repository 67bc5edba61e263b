// SPDX-License-Identifier: Apache-2.0
// `waggle record` on programs of known shape (tests/programs).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/types.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/test_program.h"
#include "tests/waggle_run.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

using Words = std::vector<std::string>;

CollapsedFile record_col(Words arguments) {
  arguments.insert(arguments.begin(), {"record", "-o", "-"});
  const WaggleResult result = run_waggle(arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  return CollapsedFile::parse(result.out);
}

std::string pid_of(const TestProgram& program) {
  return std::to_string(program.pid());
}

double share(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

// ";main;recurse;...;recurse;burn" with `depth` calls of recurse.
std::string recursion_stack(int depth) {
  std::string stack = ";main";
  for (int i = 0; i < depth; ++i) {
    stack += ";recurse";
  }
  return stack + ";burn";
}

class RecordRecursion : public testing::TestWithParam<int> {};

TEST_P(RecordRecursion, shows_every_call) {
  const int depth = GetParam();
  const TestProgram program({RECURSION, std::to_string(depth)});
  const CollapsedFile file = record_col({"-d", "1", "-F", "199", "-p", pid_of(program)});
  ASSERT_GT(file.total(), 50U);
  EXPECT_TRUE(file.adds_up());
  // The rest: ticks in burn's prologue, or in the clock functions it calls.
  EXPECT_GE(share(file.count_of("recursion", recursion_stack(depth)), file.total()), 0.98);
  EXPECT_EQ(file.count_of("recursion", ";recurse" + recursion_stack(depth).substr(5)), 0U)
      << "one call too many";
}

INSTANTIATE_TEST_SUITE_P(Depths, RecordRecursion, testing::Values(10, 100, 1000));

class RecordAtRate : public testing::TestWithParam<std::string> {};

TEST_P(RecordAtRate, accounts_for_every_sample_of_the_host) {
  const TestProgram first({RECURSION, "20"});
  const TestProgram second({SHARES});
  const CollapsedFile file = record_col({"-d", "2", "-F", GetParam()});
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.count_of("recursion", recursion_stack(20)), 0U);
  EXPECT_GT(file.count_of("shares", ";main;sixty_percent"), 0U);
}

TEST_P(RecordAtRate, accounts_for_samples_that_a_small_ring_loses) {
  const TestProgram first({RECURSION, "1000"});
  const TestProgram second({RECURSION, "300"});
  const CollapsedFile file = record_col({"-d", "2", "-F", GetParam(), "--ring-size", "4"});
  EXPECT_TRUE(file.adds_up());
  EXPECT_GT(file.lost(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Rates, RecordAtRate, testing::Values("99", "999"));

TEST(Record, tells_threads_apart_by_name) {
  const TestProgram program({THREADS});
  const CollapsedFile file =
      record_col({"-d", "1", "-F", "199", "--threads", "-p", pid_of(program)});
  EXPECT_GT(file.count_of("threads", ";thread: first-worker"), 0U);
  EXPECT_GT(file.count_of("threads", ";thread: second worker"), 0U);
  EXPECT_EQ(file.count_of("threads", ";thread: first-worker"),
            file.count_of("threads", ";burn_in_first"));
  EXPECT_EQ(
      file.count_of("threads", ";burn_in_first") + file.count_of("threads", ";burn_in_second"),
      file.total());
}

TEST(Record, gives_all_threads_the_name_of_their_process) {
  const TestProgram program({THREADS});
  const CollapsedFile file = record_col({"-d", "1", "-p", pid_of(program)});
  EXPECT_EQ(file.count_of("threads"), file.total());
  EXPECT_EQ(file.count_of("threads", "thread: "), 0U);
}

TEST(Record, shows_the_file_of_native_functions_where_that_is_asked_for) {
  const TestProgram program({SHARES});
  const CollapsedFile file =
      record_col({"-d", "1", "-F", "199", "--insert-dso-name", "-p", pid_of(program)});
  EXPECT_GT(file.count_of("shares", ";main (shares);sixty_percent (shares)"), 0U);
  EXPECT_EQ(file.count_of("shares", ";main;"), 0U);
}

TEST(Record, samples_the_chosen_process_alone) {
  const TestProgram chosen({SHARES});
  const TestProgram other({RECURSION, "5"});
  const CollapsedFile file = record_col({"-d", "1", "-p", pid_of(chosen)});
  EXPECT_GT(file.total(), 0U);
  EXPECT_EQ(file.count_of("shares"), file.total());
}

TEST(Record, runs_a_command_and_all_that_it_starts) {
  const WaggleResult result =
      run_waggle({"record", "-F", "499", "-o", "-", "--", FAMILY, "12", "50"});
  ASSERT_EQ(result.status, 0) << result.err;
  // The command's own output comes first, then the profile.
  ASSERT_THAT(result.out, StartsWith("ready\n"));
  const CollapsedFile file = CollapsedFile::parse(result.out.substr(6));
  EXPECT_EQ(file.header["waggle"]["command_status"], 0);
  EXPECT_TRUE(file.adds_up());
  // While execve(2) works, the process is still called what it was before.
  EXPECT_EQ(file.count_of("family") + file.count_of("waggle", ";[exec];"), file.total());
  // 12 children, 50 ms of CPU each, at 499 Hz.
  EXPECT_GE(share(file.count_of("family", ";main;burn_in_child;burn"), file.total()), 0.95);
}

TEST(Record, names_processes_that_live_for_10_ms_after_an_exec) {
  const WaggleResult result =
      run_waggle({"record", "-F", "999", "-o", "-", "--", FAMILY, "40", "10", "exec"});
  ASSERT_EQ(result.status, 0) << result.err;
  const CollapsedFile file = CollapsedFile::parse(result.out.substr(6));
  EXPECT_GT(file.count_of("exe", ";main;burn_after_exec;burn"), 100U);
  EXPECT_LE(share(file.count_of("exe", "[unknown"), file.total()), 0.01);
}

TEST(Record, reports_the_status_of_the_command) {
  const WaggleResult result =
      run_waggle({"record", "-F", "999", "-o", "-", "--", "sh", "-c",
                  "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 7"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(CollapsedFile::parse(result.out).header["waggle"]["command_status"], 7);
  EXPECT_THAT(result.err, HasSubstr("7"));
}

TEST(Record, follows_children_of_a_pid_only_when_asked) {
  const TestProgram alone({FAMILY, "1000", "20"});
  const WaggleResult without = run_waggle({"record", "-d", "1", "-o", "-", "-p", pid_of(alone)});
  const CollapsedFile parent_only =
      without.status == 0 ? CollapsedFile::parse(without.out) : CollapsedFile();
  EXPECT_EQ(parent_only.count_of("family", ";burn_in_child"), 0U);
  const CollapsedFile with_children = record_col({"-d", "1", "--children", "-p", pid_of(alone)});
  EXPECT_GT(with_children.count_of("family", ";burn_in_child"), 20U);
}

TEST(Record, writes_a_page_and_a_profile) {
  const TestProgram program({SHARES});
  WaggleRun run({"record", "-d", "1", "-p", pid_of(program), "-o", "a.html", "-o", "b.col"});
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(read_file(run.directory() + "/a.html", 1 << 24).value(), HasSubstr("<html"));
  EXPECT_THAT(read_file(run.directory() + "/b.col", 1 << 24).value(), StartsWith("# {"));
  EXPECT_THAT(result.err, HasSubstr("b.col\n"));
}

TEST(Record, names_its_page_by_the_time_it_ended) {
  const TestProgram program({SHARES});
  WaggleRun run({"record", "-d", "1", "-p", pid_of(program)});
  const WaggleResult result = run.wait();
  ASSERT_EQ(result.status, 0) << result.err;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(run.directory())) {
    names.push_back(entry.path().filename());
  }
  ASSERT_EQ(names.size(), 1U);
  EXPECT_THAT(names[0], testing::MatchesRegex("waggle_20..-..-..T..-..-..\\.html"));
  EXPECT_TRUE(result.err.ends_with(names[0] + "\n")) << result.err;
}

// The processes of a session that wait for a signal, then for the files.
class RecordStopped : public testing::TestWithParam<int> {};

TEST_P(RecordStopped, writes_what_it_has) {
  const TestProgram program({SHARES});
  WaggleRun run({"record", "-d", "60", "-p", pid_of(program), "-o", "x.col"});
  const std::string out = run.directory() + "/x.col";
  ::sleep(2);  // there is no event to wait for: samples must have been taken
  const auto sent = std::chrono::steady_clock::now();
  ASSERT_EQ(::kill(run.pid(), GetParam()), 0);
  const WaggleResult result = run.wait();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_LT(std::chrono::steady_clock::now() - sent, std::chrono::seconds(2));
  const CollapsedFile file = CollapsedFile::parse(read_file(out, 1 << 24).value());
  EXPECT_GT(file.count_of("shares", ";main;sixty_percent"), 0U);
}

INSTANTIATE_TEST_SUITE_P(Signals, RecordStopped, testing::Values(SIGINT, SIGTERM));

// bpftool's lines of every program, map and link of the host that has one of our names.
std::set<std::string> bpf_objects() {
  const TempDir dir;
  const std::string list = dir.path() + "/list";
  const std::string command =
      "export PATH=$PATH:/usr/sbin; (bpftool prog list; bpftool map list; bpftool link list) 2>&1 "
      "| grep -E 'name (cpu_|sel_|unw_|proc_)|cpu_on_tick' >" +
      list;
  [[maybe_unused]] const int status = std::system(command.c_str());  // 1: grep found nothing
  const std::string text = read_file(list, 1 << 20).value_or("");
  std::set<std::string> objects;
  for (const std::string_view line : split(text, '\n')) {
    objects.insert(std::string(line.substr(0, line.find("  gpl"))));  // without the run times
  }
  objects.erase("");
  return objects;
}

// Another waggle on the host has objects too.
std::set<std::string> without(std::set<std::string> objects, const std::set<std::string>& others) {
  std::erase_if(objects, [&](const std::string& object) { return others.contains(object); });
  return objects;
}

TEST(Record, leaves_nothing_behind_when_it_is_killed) {
  const std::set<std::string> before = bpf_objects();
  WaggleRun run({"record", "-d", "60", "-o", "x.col"});
  std::set<std::string> ours;
  const auto has_program = [&] {
    return std::ranges::any_of(ours, [](const std::string& object) {
      return object.find("cpu_on_tick") != std::string::npos;
    });
  };
  for (int i = 0; i < 100 && !has_program(); ++i) {
    ::usleep(50'000);
    ours = without(bpf_objects(), before);
  }
  ASSERT_TRUE(has_program());
  const std::string directory = run.directory();
  ASSERT_EQ(::kill(run.pid(), SIGKILL), 0);
  EXPECT_EQ(run.wait().status, 128 + SIGKILL);
  std::set<std::string> left = ours;
  for (int i = 0; i < 100 && !left.empty(); ++i) {  // the kernel frees them after a grace period
    ::usleep(50'000);
    const std::set<std::string> now = bpf_objects();
    std::erase_if(left, [&](const std::string& object) { return !now.contains(object); });
  }
  EXPECT_THAT(left, IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST(Record, pins_its_maps_while_it_runs) {
  const TempDir dir;
  const std::string mount = dir.path() + "/bpf";
  std::filesystem::create_directory(mount);
  if (::mount("bpf", mount.c_str(), "bpf", 0, nullptr) != 0) {
    GTEST_SKIP() << "no BPF file system can be mounted here: " << std::strerror(errno);
  }
  const std::string pins = mount + "/waggle";
  const TestProgram program({SHARES});
  WaggleRun run({"record", "-d", "2", "-o", "x.col", "-p", pid_of(program), "--pin", pins});
  for (int i = 0; i < 40 && !std::filesystem::exists(pins + "/cpu_on_tick"); ++i) {
    ::usleep(50'000);
  }
  EXPECT_TRUE(std::filesystem::exists(pins + "/cpu_counts_0"));
  EXPECT_TRUE(std::filesystem::exists(pins + "/cpu_on_tick"));
  EXPECT_EQ(run.wait().status, 0);
  EXPECT_FALSE(std::filesystem::exists(pins));
  EXPECT_EQ(::umount(mount.c_str()), 0);
}

TEST(Record, goes_on_without_pins_where_there_is_no_bpf_file_system) {
  const TempDir dir;
  const TestProgram program({SHARES});
  const WaggleResult result = run_waggle(
      {"record", "-d", "1", "-o", "-", "-p", pid_of(program), "--pin", dir.path() + "/pins"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, AllOf(HasSubstr("continuing without pins"), HasSubstr("mount -t bpf")));
}

// 5,000 samples of each: a share of 60 % has a standard deviation of 0.7 points.
TEST(Record, agrees_with_perf_on_the_shares_of_functions) {
  const TestProgram program({SHARES});
  const TempDir dir;
  const std::string data = dir.path() + "/perf.data";
  const std::string report = dir.path() + "/report";
  WaggleRun run({"record", "-d", "5", "-F", "999", "-o", "-", "-p", pid_of(program)});
  const std::string perf = "perf record -q -e cpu-clock -F 999 -g -o " + data + " -p " +
                           pid_of(program) + " -- sleep 5 >" + dir.path() +
                           "/log 2>&1 && perf report -i " + data +
                           " --no-children -g none --stdio -F overhead,sym 2>/dev/null >" + report;
  if (std::system(perf.c_str()) != 0) {
    GTEST_SKIP() << "perf cannot record here: "
                 << read_file(dir.path() + "/log", 65536).value_or("");
  }
  const CollapsedFile file = CollapsedFile::parse(run.wait().out);
  const std::string text = read_file(report, 1 << 20).value();
  for (const std::string name : {"sixty_percent", "thirty_percent", "ten_percent"}) {
    const double ours = 100 * share(file.count_of("shares", ";" + name), file.total());
    double perfs = -1;
    for (const std::string_view line : split(text, '\n')) {
      if (line.ends_with(name)) {
        perfs = std::strtod(std::string(line).c_str(), nullptr);
      }
    }
    ASSERT_GE(perfs, 0) << name << " is not in:\n" << text;
    EXPECT_NEAR(ours, perfs, 3.0) << name;
  }
}

struct Refusal {
  const char* name;
  Words arguments;
  Words wrapper;  // runs waggle with less than it needs
  int status;
  const char* says;
};

std::ostream& operator<<(std::ostream& out, const Refusal& refusal) {
  return out << refusal.name;
}

class RecordRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(RecordRefuses, in_one_clear_line) {
  const Refusal& refusal = GetParam();
  WaggleRun run(refusal.arguments, refusal.wrapper);
  const std::string directory = run.directory();
  const WaggleResult result = run.wait();
  EXPECT_EQ(result.status, refusal.status) << result.err;
  EXPECT_THAT(result.err, HasSubstr(refusal.says));
  EXPECT_LE(std::ranges::count(result.err, '\n'), 3);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_LT(result.took.count(), 2.0);
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RecordRefuses,
    testing::Values(
        Refusal{"no_root",
                {"record", "-d", "1"},
                {"setpriv", "--reuid=65534", "--clear-groups"},
                3,
                "CAP_BPF"},
        Refusal{"no_capabilities",
                {"record", "-d", "1", "--engine", "ebpf"},
                {"setpriv", "--bounding-set=-bpf,-sys_admin", "--inh-caps=-bpf,-sys_admin"},
                3,
                "CAP_BPF"},
        Refusal{"no_such_directory",
                {"record", "-d", "1", "-o", "/nonexistent/x.col"},
                {},
                1,
                "/nonexistent/x.col"},
        Refusal{"a_directory", {"record", "-d", "1", "-o", "/proc/x.col"}, {}, 1, "/proc/x.col"},
        Refusal{"no_such_process", {"record", "-d", "1", "-p", "999999999"}, {}, 1, "999999999"},
        Refusal{"no_such_command",
                {"record", "-d", "1", "--", "/nonexistent/command"},
                {},
                1,
                "/nonexistent/command"},
        Refusal{"fallback_without_perf",
                {"record", "-d", "1", "--engine", "fallback", "--perf-path", "/nonexistent/perf"},
                {},
                3,
                "/nonexistent/perf"},
        Refusal{"no_such_cgroup",
                {"record", "-d", "1", "--cgroup", "waggle_nonexistent"},
                {},
                1,
                "--cgroup \"waggle_nonexistent\": no cgroup is named that"},
        Refusal{"no_such_cgroup_left_out",
                {"record", "-d", "1", "--cgroup-exclude", "waggle_nonexistent*"},
                {},
                1,
                "no cgroup matches that"},
        Refusal{"no_such_container",
                {"record", "-d", "1", "--container", "0123456789abcdef"},
                {},
                1,
                "--container \"0123456789abcdef\""},
        Refusal{"cgroup_left_out_with_perf",
                {"record", "-d", "1", "--cgroup-exclude", "/", "--engine", "fallback"},
                {},
                2,
                "--engine fallback"},
        Refusal{"frequency_0", {"record", "-F", "0"}, {}, 2, "--frequency"},
        Refusal{"duration_negative", {"record", "-d", "-1"}, {}, 2, "--duration"},
        Refusal{"duration_word", {"record", "-d", "ten"}, {}, 2, "ten"},
        Refusal{"unknown_option", {"record", "--frobnicate"}, {}, 2, "--frobnicate"},
        Refusal{"stray_argument", {"record", "stray"}, {}, 2, "stray"},
        Refusal{"unknown_ending", {"record", "-o", "x.svg"}, {}, 2, "x.svg"}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace waggle
